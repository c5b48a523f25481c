import os
from pathlib import Path

import pytest

from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError
from tests.faults.conditions import NOBODY, needs_root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with none of our settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for key in ConfigKeys:
        monkeypatch.delenv(key, raising=False)
    return tmp_path


def test_a_dotenv_file_is_read_and_the_real_environment_wins(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_text(
        "# a comment\nZMQ_TIMEOUT_MS=1000\nLOG_LEVEL='DEBUG'\nexport SOCKET_MODE=0660\nEMPTY\n"
    )
    monkeypatch.setenv("ZMQ_TIMEOUT_MS", "2000")
    before = dict(os.environ)
    config = Config()
    assert config.timeout_s == 2.0
    assert config.log_level == "DEBUG"
    assert config.socket_mode == 0o660
    assert dict(os.environ) == before


def test_a_wrong_value_in_the_dotenv_file_is_refused_too(here: Path) -> None:
    (here / ".env").write_text("ZMQ_TIMEOUT_MS=soon\n")
    with pytest.raises(ConfigurationError, match="ZMQ_TIMEOUT_MS"):
        Config().check()


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfZMQ_TIMEOUT_MS=1000\n",
        b"ZMQ_TIMEOUT_MS=1000\r\nLOG_LEVEL=DEBUG\r\n",
        b"\xef\xbb\xbfexport ZMQ_TIMEOUT_MS='1000' # a comment\r\n",
        b'  ZMQ_TIMEOUT_MS = "1000"',
        b"NAME=M\xfcller\n# M\xfcller\nZMQ_TIMEOUT_MS=1000\n",
    ],
)
def test_a_dotenv_file_is_read_as_editors_write_it(here: Path, text: bytes) -> None:
    (here / ".env").write_bytes(text)
    assert Config().check().timeout_s == 1.0


def test_bytes_that_are_no_utf_8_spoil_the_setting_that_they_are_in(here: Path) -> None:
    (here / ".env").write_bytes(b"DB_PATH=/\xff\xfe\nZMQ_TIMEOUT_MS=1000\n")
    assert Config().timeout_s == 1.0
    with pytest.raises(ConfigurationError, match="DB_PATH: must be a path in UTF-8"):
        Config().check()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_dotenv_file_that_is_no_text_is_refused_by_its_path(here: Path, encoding: str) -> None:
    (here / ".env").write_text("DB_PATH=/srv/pack.db\r\n", encoding=encoding)
    with pytest.raises(ConfigurationError, match=f"{here / '.env'} is not in UTF-8"):
        Config().check()
    with pytest.raises(ConfigurationError, match=f"{here / '.env'} is not in UTF-8"):
        _ = Config().database_url


@needs_root
def test_a_dotenv_file_that_may_not_be_read_stops_who_needs_the_database(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".env").write_text("DB_PATH=/srv/pack.db\n")
    (here / ".env").chmod(0o600)
    for directory in (here, *here.parents[:2]):
        directory.chmod(0o711)
    os.seteuid(NOBODY)
    try:
        config = Config()
        assert config.timeout_s == 5.0
        with pytest.raises(ConfigurationError, match=r"cannot read .*\.env: Permission denied"):
            config.check()
    finally:
        os.seteuid(0)


def test_a_directory_of_the_name_is_no_file_of_settings(here: Path) -> None:
    (here / ".env").mkdir()
    assert Config().check().timeout_s == 5.0
