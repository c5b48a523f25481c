import os
from pathlib import Path

import pytest

from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError

ROOT = os.geteuid() == 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with none of our settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for key in ConfigKeys:
        monkeypatch.delenv(key, raising=False)
    return tmp_path


def test_everything_has_a_default_that_works() -> None:
    config = Config({"HOME": "/home/user", "XDG_RUNTIME_DIR": "/run/user/1000"})
    assert config.database_path == Path("/home/user/.local/state/pack-db/pack-db.db")
    assert config.database_url is None
    assert config.synchronous == "FULL"
    assert config.socket_path == Path("/run/user/1000/pack-db.sock")
    assert config.timeout_s == 5.0
    assert config.socket_mode == 0o600
    assert config.socket_group is None
    assert config.max_message_bytes == 262144
    assert config.workers == 8
    assert config.log_level == "INFO"


def test_every_setting_is_taken_from_what_was_given() -> None:
    config = Config(
        {
            "DB_PATH": "/data/my.db",
            "DB_URL": "postgresql://me@server/mine",
            "DB_SYNCHRONOUS": "normal",
            "ZMQ_SOCKET_PATH": "/run/my.sock",
            "ZMQ_TIMEOUT_MS": "250",
            "SOCKET_MODE": "0660",
            "SOCKET_GROUP": "staff",
            "MAX_MESSAGE_BYTES": "65536",
            "WORKERS": "3",
            "LOG_LEVEL": "debug",
            "SERVICE_FACTORY": "notes.factory:NotesFactory",
        }
    )
    assert config.database_path == Path("/data/my.db")
    assert config.database_url == "postgresql://me@server/mine"
    assert config.synchronous == "NORMAL"
    assert config.socket_path == Path("/run/my.sock")
    assert config.timeout_s == 0.25
    assert config.socket_mode == 0o660
    assert config.socket_group == "staff"
    assert config.max_message_bytes == 65536
    assert config.workers == 3
    assert config.log_level == "DEBUG"
    assert config.service_factory == "notes.factory:NotesFactory"


def test_an_empty_value_counts_as_not_set() -> None:
    config = Config(dict.fromkeys(ConfigKeys, "") | {"STATE_DIRECTORY": "/var/lib/pack-db"})
    assert config.timeout_s == 5.0
    assert config.database_path == Path("/var/lib/pack-db/pack-db.db")


def test_a_path_may_start_at_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    assert Config({"DB_PATH": "~/my.db"}).database_path == Path("/home/user/my.db")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("DB_PATH", "relative/pack.db", "absolute"),
        ("DB_PATH", "/data/\0.db", "absolute"),
        ("DB_PATH", "~nobody-has-this-name/pack.db", "nobody-has-this-name"),
        ("DB_SYNCHRONOUS", "OFF", "FULL"),
        ("DB_SYNCHRONOUS", "FULL; DROP TABLE accounts", "FULL"),
        ("ZMQ_SOCKET_PATH", "pack-db.sock", "absolute"),
        ("ZMQ_SOCKET_PATH", "ipc:///run/pack-db.sock", "absolute"),
        ("ZMQ_SOCKET_PATH", "/run/\0.sock", "absolute"),
        ("ZMQ_SOCKET_PATH", "~nobody-has-this-name/s", "nobody-has-this-name"),
        ("ZMQ_SOCKET_PATH", "/" + "s" * 107, "107"),
        ("ZMQ_SOCKET_PATH", "/" + "ü" * 54, "107"),
        ("ZMQ_SOCKET_PATH", "/\udcff", "UTF-8"),
        ("DB_PATH", "/\udcff", "UTF-8"),
        ("DB_URL", "postgresql://me@server/\udcff", "UTF-8"),
        ("SERVICE_FACTORY", "notes:\udcff", "UTF-8"),
        ("SOCKET_GROUP", "\udcff", "UTF-8"),
        ("SOCKET_GROUP", "\0", "UTF-8"),
        ("SOCKET_GROUP", "²", "number of a group"),
        ("SOCKET_GROUP", "4294967295", "number of a group"),
        ("ZMQ_TIMEOUT_MS", "0", "from 1 to 600000"),
        ("ZMQ_TIMEOUT_MS", "-1", "from 1 to 600000"),
        ("ZMQ_TIMEOUT_MS", "600001", "from 1 to 600000"),
        ("ZMQ_TIMEOUT_MS", "1.5", "whole number"),
        ("ZMQ_TIMEOUT_MS", "5s", "whole number"),
        ("ZMQ_TIMEOUT_MS", "\u0665", "whole number"),
        ("ZMQ_TIMEOUT_MS", "9" * 5000, "whole number"),
        ("SOCKET_MODE", "0999", "octal"),
        ("SOCKET_MODE", "0400", "octal"),
        ("SOCKET_MODE", "1777", "octal"),
        ("SOCKET_MODE", "-600", "octal"),
        ("SOCKET_MODE", "rw-------", "octal"),
        ("MAX_MESSAGE_BYTES", "4095", "from 4096"),
        ("MAX_MESSAGE_BYTES", "1e6", "whole number"),
        ("WORKERS", "0", "from 1 to 64"),
        ("WORKERS", "65", "from 1 to 64"),
        ("WORKERS", "all", "whole number"),
        ("LOG_LEVEL", "LOUD", "DEBUG"),
    ],
)
def test_a_wrong_value_is_refused_by_key_and_reason(key: str, value: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config({key: value}).check()
    assert str(caught.value).startswith(f"{key}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "me:secret@server/mine",
        "mysql://me:secret@server/mine",
        "postgres://me:secret@server/mine",  # libpq would read it
        "sqlite:///home/secret/my.db",
        "postgresql:me:secret@server/mine",
        "postgresql://me:secret@server",
        "postgresql://me:secret@server/",
        "postgresql://me:secret@server?sslcert=/mine",
        "postgresql://me:@secret@server/mine",
        "postgresql://me:/secret@server/mine",
        "postgresql://me:?secret@server/mine",
        "postgresql://me:#secret@server/mine",
        "postgresql://me:secret@server/mine\n",
    ],
)
def test_a_wrong_database_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config({"DB_URL": url}).check()
    assert str(caught.value).startswith("DB_URL: ")
    assert "postgresql://user:password@host/database" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "cockroachdb"])
def test_a_server_is_worked_on_by_eight_at_once(scheme: str) -> None:
    url = f"{scheme}://me:secret@one:5432,two:5433/mine?sslmode=verify-full"
    config = Config({"DB_URL": url})
    assert (config.database_url, config.workers) == (url, 8)
    assert Config({"DB_URL": url, "WORKERS": "1"}).workers == 1


def test_a_socket_path_has_107_bytes_at_most() -> None:
    longest = "/" + "s" * 106
    assert Config({"ZMQ_SOCKET_PATH": longest}).socket_path == Path(longest)


def test_every_key_gives_what_is_in_force() -> None:
    config = Config({"HOME": "/home/user", "XDG_RUNTIME_DIR": "/run/user/1000", "WORKERS": "3"})
    assert {key: config.get(key) for key in ConfigKeys} == {
        "DB_PATH": "/home/user/.local/state/pack-db/pack-db.db",
        "DB_URL": "",
        "DB_SYNCHRONOUS": "FULL",
        "ZMQ_SOCKET_PATH": "/run/user/1000/pack-db.sock",
        "ZMQ_TIMEOUT_MS": "5000",
        "SOCKET_MODE": "0600",
        "SOCKET_GROUP": "",
        "ALLOWED_UIDS": "",
        "ALLOWED_GIDS": "",
        "MAX_MESSAGE_BYTES": "262144",
        "WORKERS": "3",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "text",
        "SERVICE_FACTORY": "",
    }


def test_a_caller_may_bring_a_default() -> None:
    assert Config({}).get(ConfigKeys.SOCKET_GROUP, "staff") == "staff"
    assert Config({"SOCKET_GROUP": "wheel"}).get(ConfigKeys.SOCKET_GROUP, "staff") == "wheel"
    assert Config({}).get(ConfigKeys.LOG_LEVEL) == "INFO"


def test_a_path_of_xdg_that_is_not_absolute_is_ignored() -> None:
    given = {"XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run", "HOME": "/home/user"}
    assert Config(given).database_path == Path("/home/user/.local/state/pack-db/pack-db.db")
    assert Config(given).socket_path == Config({}).socket_path


def test_only_the_default_directory_of_the_database_may_be_made() -> None:
    assert Config({"HOME": "/home/user"}).makes_database_directory
    assert not Config({"DB_PATH": "/srvv/pack.db"}).makes_database_directory


def test_systemd_says_where_the_state_of_a_service_is() -> None:
    one = Config({"STATE_DIRECTORY": "/var/lib/pack-db", "XDG_STATE_HOME": "/elsewhere"})
    assert one.database_path == Path("/var/lib/pack-db/pack-db.db")
    two = Config({"STATE_DIRECTORY": "/var/lib/pack-db:/var/lib/other"})
    assert two.database_path == Path("/var/lib/pack-db/pack-db.db")


def test_a_user_keeps_state_where_xdg_says() -> None:
    config = Config({"XDG_STATE_HOME": "/state", "HOME": "/home/user"})
    assert config.database_path == Path("/state/pack-db/pack-db.db")


def test_a_system_service_listens_in_run() -> None:
    assert Config({"INVOCATION_ID": "1"}).socket_path == Path("/run/pack-db.sock")


def test_a_user_service_listens_in_the_users_runtime_directory() -> None:
    config = Config({"INVOCATION_ID": "1", "XDG_RUNTIME_DIR": "/run/user/1000"})
    assert config.socket_path == Path("/run/user/1000/pack-db.sock")


def test_without_xdg_root_listens_in_run_and_a_user_below_run_user() -> None:
    expected = "/run/pack-db.sock" if ROOT else f"/run/user/{os.geteuid()}/pack-db.sock"
    assert Config({}).socket_path == Path(expected)


def test_a_client_looks_where_it_was_told_to(short_path: Path) -> None:
    config = Config({"ZMQ_SOCKET_PATH": str(short_path / "s")})
    assert config.client_socket_path == short_path / "s"


def test_a_client_prefers_the_users_own_daemon(short_path: Path) -> None:
    own = short_path / "pack-db.sock"
    own.touch()
    assert Config({"XDG_RUNTIME_DIR": str(short_path)}).client_socket_path == own


def test_settings_come_from_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZMQ_TIMEOUT_MS", "1234")
    assert Config().timeout_s == 1.234


def test_given_values_are_all_there_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".env").write_text("LOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("ZMQ_TIMEOUT_MS", "1")
    config = Config({})
    assert (config.log_level, config.timeout_s) == ("INFO", 5.0)
