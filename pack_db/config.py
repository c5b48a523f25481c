import os
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Self

from pack_db.checked_paths import checked_path, checked_socket_path, is_text
from pack_db.default_paths import SYSTEM_SOCKET, default_database_path, default_socket_path
from pack_db.environment import Environment, read_environment
from pack_db.errors import ConfigurationError

# scheme://user:password@hosts/database?parameters. A password with an "@" or a "/" in it would be
# taken for a part of the address, which is shown to people.
_DATABASE_URL = re.compile(r"(postgresql|cockroachdb)://([^@/?#\s]*@)?[^@/?#\s]*/[^@/?#\s]+(\?.*)?")
_MAX_GROUP = 2**32 - 2  # chown(2) takes the number above for "leave it"


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
    LOG_FORMAT = "LOG_FORMAT"
    SERVICE_FACTORY = "SERVICE_FACTORY"


_DEFAULTS = {
    ConfigKeys.DB_SYNCHRONOUS: "FULL",
    ConfigKeys.ZMQ_TIMEOUT_MS: "5000",
    ConfigKeys.SOCKET_MODE: "0600",
    ConfigKeys.MAX_MESSAGE_BYTES: "262144",
    ConfigKeys.WORKERS: "8",  # on a server each has a connection, of which it has 100 by default
    ConfigKeys.LOG_LEVEL: "INFO",
    ConfigKeys.LOG_FORMAT: "text",
}


class Config:
    """All settings, each checked when it is first read.

    So a program that only calls the daemon may use the names of the other settings for itself.
    Every attribute raises `ConfigurationError` for a wrong value; the message names its key and
    the reason.

    Args:
        values: setting name -> text. By default the environment, over a `.env` file in the
            working directory; `os.environ` is not changed.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.environment = read_environment() if values is None else Environment(values=values)
        self._values = self.environment.values

    def check(self) -> Self:
        """Check every setting now, and return this.

        Raises:
            ConfigurationError: a value is wrong, or `.env` cannot be read.
        """
        for name, attribute in vars(Config).items():
            if isinstance(attribute, cached_property):
                getattr(self, name)
        return self

    def get(self, key: ConfigKeys, default: str | None = None) -> str:
        """The text of a setting that is in force: what was set, else its default.

        An empty text counts as not set, and is what a setting without a default then has.

        Args:
            default: instead of the setting's own.

        Raises:
            ConfigurationError: what was set is no text.
        """
        value = self._values.get(key) or (self._default(key) if default is None else default)
        if not is_text(value):
            # It is not repeated: there may be a password in it.
            raise ConfigurationError(f"{key}: must be text in UTF-8")
        return value

    @cached_property
    def database_url(self) -> str | None:
        """Where the database server is; None for SQLite."""
        if self.environment.file_problem:
            # Else the default database would be used instead of the one that is named there.
            raise ConfigurationError(self.environment.file_problem)
        url = self.get(ConfigKeys.DB_URL)
        if url and not _DATABASE_URL.fullmatch(url):
            # The text is not repeated: there may be a password in it.
            raise ConfigurationError(
                f"{ConfigKeys.DB_URL}: must look like postgresql://user:password@host/database or "
                "cockroachdb://...; in a password, write @ as %40, / as %2F, ? as %3F, # as %23 "
                "and % as %25"
            )
        return url or None

    @cached_property
    def database_path(self) -> Path:
        """The SQLite file."""
        text = self._values.get(ConfigKeys.DB_PATH) or self._default(ConfigKeys.DB_PATH)
        return checked_path(text, ConfigKeys.DB_PATH)

    @property
    def makes_database_directory(self) -> bool:
        """Whether the directory of `database_path` may be made: a named one has to be there."""
        return not self._values.get(ConfigKeys.DB_PATH)

    @cached_property
    def synchronous(self) -> str:
        """How often SQLite waits for the disk: FULL, NORMAL or EXTRA."""
        return self._choice(ConfigKeys.DB_SYNCHRONOUS, ("FULL", "NORMAL", "EXTRA"))

    @cached_property
    def socket_path(self) -> Path:
        """Where the daemon listens."""
        key = ConfigKeys.ZMQ_SOCKET_PATH
        return checked_socket_path(self._values.get(key) or self._default(key), key)

    @property
    def client_socket_path(self) -> Path:
        """Where a client looks: as the daemon, but a user without a daemon of their own
        reaches the system's."""
        own = self.socket_path
        if self._values.get(ConfigKeys.ZMQ_SOCKET_PATH) or os.path.exists(own):
            return own
        return SYSTEM_SOCKET if SYSTEM_SOCKET.exists() else own

    @cached_property
    def timeout_s(self) -> float:
        """How long a call may take, in seconds."""
        return self._integer(ConfigKeys.ZMQ_TIMEOUT_MS, 1, 600_000) / 1000

    @cached_property
    def socket_mode(self) -> int:
        """Permissions of the socket's file, as chmod takes them."""
        text = self.get(ConfigKeys.SOCKET_MODE)
        try:
            mode = int(text, 8)
        except ValueError:
            mode = -1
        if not 0 <= mode <= 0o777 or mode & 0o600 != 0o600:
            raise ConfigurationError(
                f"{ConfigKeys.SOCKET_MODE}: must be an octal file mode that lets the owner in, "
                f"such as 0600 or 0660, not {text!r}"
            )
        return mode

    @cached_property
    def socket_group(self) -> str | None:
        """Whose the socket's file is: name or number; None for the daemon's own."""
        text = self.get(ConfigKeys.SOCKET_GROUP)
        if text.isdigit() and not (_is_number(text) and int(text) <= _MAX_GROUP):
            raise ConfigurationError(
                f"{ConfigKeys.SOCKET_GROUP}: must be the name or the number of a group, "
                f"not {text!r}"
            )
        return text or None

    @cached_property
    def allowed_uids(self) -> frozenset[int]:
        """Numbers of the users who may call; empty with allowed_gids for everybody."""
        return self._numbers(ConfigKeys.ALLOWED_UIDS)

    @cached_property
    def allowed_gids(self) -> frozenset[int]:
        """Numbers of the groups that may call; empty with allowed_uids for everybody."""
        return self._numbers(ConfigKeys.ALLOWED_GIDS)

    @cached_property
    def max_message_bytes(self) -> int:
        """Bytes of a request, and of a reply, at most."""
        # The floor keeps room for one call; libzmq's handshake breaks below 276 (libzmq#4436).
        return self._integer(ConfigKeys.MAX_MESSAGE_BYTES, 4096, 2**24)

    @cached_property
    def workers(self) -> int:
        """How many messages are answered at a time, at most."""
        return self._integer(ConfigKeys.WORKERS, 1, 64)

    @cached_property
    def log_level(self) -> str:
        """DEBUG, INFO, WARNING, ERROR or CRITICAL."""
        return self._choice(ConfigKeys.LOG_LEVEL, ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))

    @cached_property
    def logs_json(self) -> bool:
        """Whether a line of the log is a JSON object."""
        return self._choice(ConfigKeys.LOG_FORMAT, ("TEXT", "JSON")) == "JSON"

    @cached_property
    def service_factory(self) -> str | None:
        """Own services, as module:class; None for pack-db's alone."""
        return self.get(ConfigKeys.SERVICE_FACTORY) or None

    def _default(self, key: ConfigKeys) -> str:
        match key:
            case ConfigKeys.DB_PATH:
                return str(default_database_path(self._values))
            case ConfigKeys.ZMQ_SOCKET_PATH:
                return str(default_socket_path(self._values))
        return _DEFAULTS.get(key, "")

    def _choice(self, key: ConfigKeys, choices: tuple[str, ...]) -> str:
        text = self.get(key).upper()
        if text not in choices:
            raise ConfigurationError(f"{key}: must be one of {', '.join(choices)}, not {text!r}")
        return text

    def _integer(self, key: ConfigKeys, least: int, most: int) -> int:
        text = self.get(key)
        if not _is_number(text) or not least <= int(text) <= most:
            raise ConfigurationError(
                f"{key}: must be a whole number from {least} to {most}, not {text!r}"
            )
        return int(text)

    def _numbers(self, key: ConfigKeys) -> frozenset[int]:
        text = self.get(key)
        words = [word.strip() for word in text.split(",")] if text else []
        if not all(map(_is_number, words)):
            raise ConfigurationError(
                f"{key}: must be whole numbers with commas between, such as 33,1000, not {text!r}"
            )
        return frozenset(map(int, words))


def _is_number(text: str) -> bool:
    # Python refuses to make a number of thousands of digits.
    return text.isascii() and text.isdigit() and len(text) < 20
