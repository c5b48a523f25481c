from pathlib import Path

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from pack_db.errors import StorageCorrupt, StorageError, StorageReadOnly
from pack_db.impls.database.storage_health import LOG_LIMIT_BYTES
from pack_db.impls.sqlite.bindings import as_text
from pack_db.impls.sqlite.sqlite_errors import translated

BUSY_TIMEOUT_S = 0.5  # all other callers wait as long
DRIVER_ERRORS = (peewee.PeeweeException, apsw.Error)

_CHECKED_BYTES = 16 * 2**20  # quick_check reads about a megabyte in a millisecond


def new_database(path: Path, synchronous: str) -> APSWDatabase:
    """SQLite as Peewee sees it, with one connection for all threads; not opened yet."""
    return APSWDatabase(
        str(path),
        pragmas={
            "journal_mode": "wal",
            "synchronous": synchronous,
            "foreign_keys": "on",
            "journal_size_limit": LOG_LIMIT_BYTES,
        },
        timeout=BUSY_TIMEOUT_S,
        lock_type="IMMEDIATE",  # of Peewee's own transactions, as of ours
        autoconnect=False,  # else a call after it was closed would open it without the lock
        thread_safe=False,  # else Peewee opens a connection for each thread
    )


def open_connection(database: APSWDatabase, path: Path) -> apsw.Connection:
    """The connection of Peewee's `database`, which is opened; `path` is for people.

    Raises:
        StorageCorrupt: the file is damaged; a large one is not read whole to find that out.
        StorageError: it cannot be opened, or not be written to.
    """
    found = "ok"
    try:
        database.connect()
        connection: apsw.Connection = database.connection()
        connection.convert_binding = as_text
        if path.stat().st_size <= _CHECKED_BYTES:
            found = connection.pragma("quick_check", 1)
    except DRIVER_ERRORS as exc:
        error = translated(exc)
        if isinstance(error, StorageError):
            error = type(error)(f"cannot open {path}: {error}")
        raise error from exc
    if found != "ok":
        details = " ".join(found.split())
        raise StorageCorrupt(f"{path} is damaged ({details}); restore a backup")
    if connection.readonly("main"):
        raise StorageReadOnly(f"this user may only read {path}; change its owner or its mode")
    return connection
