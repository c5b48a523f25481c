import pytest

from pack_db.config import Config
from pack_db.errors import ConfigurationError


def test_by_default_nobody_is_named() -> None:
    config = Config({})
    assert (config.allowed_uids, config.allowed_gids) == (frozenset(), frozenset())


@pytest.mark.parametrize("text", ["0,33,1000", " 0 , 33,1000 ", "1000,33,0,33"])
def test_users_and_groups_are_numbers_with_commas_between(text: str) -> None:
    config = Config({"ALLOWED_UIDS": text, "ALLOWED_GIDS": text})
    assert config.allowed_uids == config.allowed_gids == {0, 33, 1000}


@pytest.mark.parametrize("key", ["ALLOWED_UIDS", "ALLOWED_GIDS"])
@pytest.mark.parametrize(
    "text", ["root", "-1", "1 2", "1;2", "1.5", "0x10", "٣", "1" * 20, ",", "1,", " "]
)
def test_anything_else_is_refused_by_key(key: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{key}: must be whole numbers"):
        Config({key: text}).check()
