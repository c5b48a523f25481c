import os
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from dotenv import dotenv_values

from pack_db.errors import ConfigurationError

# scheme://user:password@hosts/database?parameters. A password with an "@" or a "/" in it would be
# taken for a part of the address, which is shown to people.
_DATABASE_URL = re.compile(r"(postgresql|cockroachdb)://([^@/?#\s]*@)?[^@/?#\s]*/[^@/?#\s]+(\?.*)?")
_WORKERS_ON_A_SERVER = 8  # each with a connection, of which a server has 100 by default
_SYSTEM_SOCKET = Path("/run/pack-db.sock")
_SOCKET_NAME = "pack-db.sock"
_DATABASE_NAME = "pack-db.db"
_MAX_SOCKET_PATH_BYTES = 107  # sun_path of unix(7) holds 108 with its closing NUL


class ConfigKeys(StrEnum):
    """Every setting there is; `.env.example` explains each."""

    DB_PATH = "DB_PATH"
    DB_URL = "DB_URL"
    DB_SYNCHRONOUS = "DB_SYNCHRONOUS"
    ZMQ_SOCKET_PATH = "ZMQ_SOCKET_PATH"
    ZMQ_TIMEOUT_MS = "ZMQ_TIMEOUT_MS"
    SOCKET_MODE = "SOCKET_MODE"
    SOCKET_GROUP = "SOCKET_GROUP"
    ALLOWED_UIDS = "ALLOWED_UIDS"
    ALLOWED_GIDS = "ALLOWED_GIDS"
    MAX_MESSAGE_BYTES = "MAX_MESSAGE_BYTES"
    WORKERS = "WORKERS"
    LOG_LEVEL = "LOG_LEVEL"
    SERVICE_FACTORY = "SERVICE_FACTORY"


_DEFAULTS = {
    ConfigKeys.DB_SYNCHRONOUS: "FULL",
    ConfigKeys.ZMQ_TIMEOUT_MS: "5000",
    ConfigKeys.SOCKET_MODE: "0600",
    ConfigKeys.MAX_MESSAGE_BYTES: "262144",
    ConfigKeys.LOG_LEVEL: "INFO",
}


class Config:
    """All settings, checked when the object is made.

    Args:
        values: setting name -> text. By default the environment, over a `.env` file in the
            working directory; `os.environ` is not changed.

    Raises:
        ConfigurationError: a value is wrong; the message names its key and the reason.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = _environment() if values is None else values
        self.database_path = self._path(ConfigKeys.DB_PATH, self._default_database_path)
        self.database_url = self._database_url()
        self.synchronous = self._choice(ConfigKeys.DB_SYNCHRONOUS, ("FULL", "NORMAL", "EXTRA"))
        self.timeout_s = self._integer(ConfigKeys.ZMQ_TIMEOUT_MS, 1, 600_000) / 1000
        self.socket_mode = self._mode(ConfigKeys.SOCKET_MODE)
        self.socket_group = self.get(ConfigKeys.SOCKET_GROUP, "") or None
        self.allowed_uids = self._numbers(ConfigKeys.ALLOWED_UIDS)
        self.allowed_gids = self._numbers(ConfigKeys.ALLOWED_GIDS)
        # The floor keeps room for one call; libzmq's handshake breaks below 276 (libzmq#4436).
        self.max_message_bytes = self._integer(ConfigKeys.MAX_MESSAGE_BYTES, 4096, 2**24)
        self.workers = self._workers()
        self.log_level = self._choice(
            ConfigKeys.LOG_LEVEL, ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        )
        self.socket_path = self._socket_path()
        self.service_factory = self.get(ConfigKeys.SERVICE_FACTORY, "") or None

    def get(self, key: ConfigKeys, default: str | None = None) -> str:
        """The text of a setting; an empty one counts as not set.

        Raises:
            ConfigurationError: the key is not set and has no default.
        """
        value = self._values.get(key) or (_DEFAULTS.get(key) if default is None else default)
        if value is None:
            raise ConfigurationError(f"{key} is not set; set it in the environment or in .env")
        return value

    @property
    def makes_database_directory(self) -> bool:
        """Whether the database is at its default path; a directory that was named has to exist."""
        return not self._values.get(ConfigKeys.DB_PATH)

    @property
    def client_socket_path(self) -> Path:
        """Where a client looks: as the daemon, but a user without a daemon of their own
        reaches the system's."""
        if self._values.get(ConfigKeys.ZMQ_SOCKET_PATH) or self.socket_path.exists():
            return self.socket_path
        return _SYSTEM_SOCKET if _SYSTEM_SOCKET.exists() else self.socket_path

    def _socket_path(self) -> Path:
        path = self._path(ConfigKeys.ZMQ_SOCKET_PATH, self._default_socket_path)
        size = len(os.fsencode(path))
        if size > _MAX_SOCKET_PATH_BYTES:
            raise ConfigurationError(
                f"{ConfigKeys.ZMQ_SOCKET_PATH}: {path} has {size} bytes; "
                f"a unix socket's path has at most {_MAX_SOCKET_PATH_BYTES}"
            )
        return path

    def _default_socket_path(self) -> Path:
        # A system service has no XDG_RUNTIME_DIR; a user's session and user services have one.
        if runtime_directory := self._values.get("XDG_RUNTIME_DIR"):
            return Path(runtime_directory) / _SOCKET_NAME
        if self._values.get("INVOCATION_ID") or os.geteuid() == 0:
            return _SYSTEM_SOCKET
        return Path(f"/run/user/{os.geteuid()}") / _SOCKET_NAME

    def _default_database_path(self) -> Path:
        # systemd's StateDirectory= may name several directories, separated by colons.
        if state_directory := self._values.get("STATE_DIRECTORY"):
            return Path(state_directory.split(":")[0]) / _DATABASE_NAME
        home = Path(self._values.get("HOME") or "~").expanduser()
        state_home = Path(self._values.get("XDG_STATE_HOME") or home / ".local/state")
        return state_home / "pack-db" / _DATABASE_NAME

    def _database_url(self) -> str | None:
        url = self.get(ConfigKeys.DB_URL, "")
        if url and not _DATABASE_URL.fullmatch(url):
            # The text is not repeated: there may be a password in it.
            raise ConfigurationError(
                f"{ConfigKeys.DB_URL}: must look like postgresql://user:password@host/database or "
                "cockroachdb://...; in a password, write @ as %40, / as %2F, ? as %3F, # as %23 "
                "and % as %25"
            )
        return url or None

    def _workers(self) -> int:
        if self.get(ConfigKeys.WORKERS, ""):
            return self._integer(ConfigKeys.WORKERS, 1, 64)
        return 1 if self.database_url is None else _WORKERS_ON_A_SERVER

    def _path(self, key: ConfigKeys, default: Callable[[], Path]) -> Path:
        text = self._values.get(key)
        if not text:
            return default()
        path = Path(text)
        if "\0" in text or not (path.is_absolute() or text.startswith("~")):
            raise ConfigurationError(f"{key}: must be an absolute path, not {text!r}")
        try:
            return path.expanduser()
        except RuntimeError as exc:
            raise ConfigurationError(f"{key}: there is no home directory for {text!r}") from exc

    def _choice(self, key: ConfigKeys, choices: tuple[str, ...]) -> str:
        text = self.get(key).upper()
        if text not in choices:
            raise ConfigurationError(f"{key}: must be one of {', '.join(choices)}, not {text!r}")
        return text

    def _integer(self, key: ConfigKeys, least: int, most: int) -> int:
        text = self.get(key)
        # Python refuses to make a number of thousands of digits.
        readable = text.isascii() and text.isdigit() and len(text) < 20
        if not readable or not least <= int(text) <= most:
            raise ConfigurationError(
                f"{key}: must be a whole number from {least} to {most}, not {text!r}"
            )
        return int(text)

    def _numbers(self, key: ConfigKeys) -> frozenset[int]:
        text = self.get(key, "")
        words = [word.strip() for word in text.split(",")] if text else []
        if not all(word.isascii() and word.isdigit() and len(word) < 20 for word in words):
            raise ConfigurationError(
                f"{key}: must be whole numbers with commas between, such as 33,1000, not {text!r}"
            )
        return frozenset(map(int, words))

    def _mode(self, key: ConfigKeys) -> int:
        text = self.get(key)
        try:
            mode = int(text, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777 or mode & 0o600 != 0o600:
            raise ConfigurationError(
                f"{key}: must be an octal file mode that lets the owner in, "
                f"such as 0600 or 0660, not {text!r}"
            )
        return mode


def _environment() -> dict[str, str]:
    path = Path(".env")
    try:
        from_file = dotenv_values(path) if path.is_file() else {}
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"cannot read {path.resolve()}: {exc}") from exc
    return {key: value for key, value in from_file.items() if value is not None} | dict(os.environ)
