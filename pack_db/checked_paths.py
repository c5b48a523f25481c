"""Which paths can be used, whoever names them."""

import os
from pathlib import Path

from pack_db.errors import ConfigurationError

_MAX_SOCKET_PATH_BYTES = 107  # sun_path of unix(7) holds 108 with its closing NUL


def checked_socket_path(path: Path | str, name: str) -> Path:
    """The path of a unix socket, a `~` at its beginning taken for the home directory.

    Args:
        name: what people know the path by: a setting or an argument.

    Raises:
        ConfigurationError: no socket can have this path.
    """
    checked = checked_path(path, name)
    size = len(os.fsencode(checked))
    if size > _MAX_SOCKET_PATH_BYTES:
        raise ConfigurationError(
            f"{name}: {checked} has {size} bytes; "
            f"a unix socket's path has at most {_MAX_SOCKET_PATH_BYTES}"
        )
    return checked


def checked_path(path: Path | str, name: str) -> Path:
    """As `checked_socket_path`, for any file."""
    text = str(path)
    if "\0" in text or not text.startswith(("/", "~")):
        raise ConfigurationError(f"{name}: must be an absolute path, not {text!r}")
    try:
        expanded = Path(text).expanduser()
    except RuntimeError:
        expanded = Path()
    # An empty HOME is taken for the root directory.
    if not expanded.is_absolute() or (text.startswith("~") and os.environ.get("HOME") == ""):
        raise ConfigurationError(
            f"{name}: there is no home directory for {text!r}; set {name} to an absolute path"
        )
    if not is_text(str(expanded)):
        # SQLite and ZeroMQ know only names in UTF-8.
        raise ConfigurationError(f"{name}: must be a path in UTF-8, not {str(expanded)!r}")
    return expanded


def is_text(value: str) -> bool:
    """Whether a text can be stored and sent: it has no NUL, and came from bytes in UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False  # bytes that are no UTF-8, see os.fsdecode
    return "\0" not in value
