import pytest
from limits.interface import LimitReached, RateLimiter

from pack_db_client import PackDb


@pytest.fixture(scope="session")
def pack_db_service_factory() -> str:
    return "limits.factory:LimitsFactory"


def test_a_key_gets_so_much_in_a_window(pack_db: PackDb) -> None:
    limiter = pack_db.service("limits", RateLimiter)
    assert [limiter.take("ada", 3, 86_400) for _ in range(3)] == [2, 1, 0]
    for _ in range(2):
        with pytest.raises(LimitReached) as caught:
            limiter.take("ada", 3, 86_400)
        assert 0 < caught.value.retry_after_s <= 86_400
    assert limiter.take("ada", 5, 86_400) == 1  # what was refused was not taken
    assert limiter.take("ada", 10, 1, amount=10) == 0
