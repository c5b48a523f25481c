"""Where the socket and the database are when no setting says so.

Daemon and clients go by the same rules, so that they find each other.
"""

import os
from collections.abc import Mapping
from pathlib import Path

SYSTEM_SOCKET = Path("/run/pack-db.sock")

_SOCKET_NAME = "pack-db.sock"
_DATABASE_NAME = "pack-db.db"


def default_socket_path(environment: Mapping[str, str]) -> Path:
    # A system service has no XDG_RUNTIME_DIR; a user's session and user services have one.
    if runtime_directory := _directory(environment, "XDG_RUNTIME_DIR"):
        return runtime_directory / _SOCKET_NAME
    if environment.get("INVOCATION_ID") or os.geteuid() == 0:
        return SYSTEM_SOCKET
    return Path(f"/run/user/{os.geteuid()}") / _SOCKET_NAME


def default_database_path(environment: Mapping[str, str]) -> Path:
    """It begins with a "~" where the environment does not tell the home directory."""
    # systemd's StateDirectory= may name several directories, separated by colons.
    if state_directory := environment.get("STATE_DIRECTORY"):
        return Path(state_directory.split(":")[0]) / _DATABASE_NAME
    home = _directory(environment, "HOME") or Path("~")
    state_home = _directory(environment, "XDG_STATE_HOME") or home / ".local/state"
    return state_home / "pack-db" / _DATABASE_NAME


def _directory(environment: Mapping[str, str], name: str) -> Path | None:
    # XDG's specification: a path that is not absolute is to be ignored.
    text = environment.get(name, "")
    return Path(text) if text.startswith("/") else None
