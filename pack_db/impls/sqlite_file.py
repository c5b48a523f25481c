"""Making sure that the file is ours before SQLite is let loose on it."""

import os
from pathlib import Path

import apsw

from pack_db.errors import StorageCorrupt, StorageError, WrongDatabase

APPLICATION_ID = int.from_bytes(b"pack")
"""What `PRAGMA application_id` says in a database of ours."""


def make_directory(path: Path) -> None:
    """
    Raises:
        StorageError: the directory is not there and cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise StorageError(f"cannot make the directory {path}: {exc.strerror}") from exc


def prepare(path: Path) -> None:
    """Create the database if there is none; refuse a file that is not a pack-db database.

    Raises:
        WrongDatabase: the file is something else; it is not touched.
        StorageError: the file cannot be read or made.
    """
    try:
        if not path.exists():
            _create(path)
        elif not path.is_file():
            raise WrongDatabase(f"{path} is not a file; point DB_PATH at pack-db's database")
        elif path.stat().st_size == 0:
            raise WrongDatabase(
                f"{path} is empty, not a pack-db database; "
                "remove it to start anew, or restore a backup"
            )
    except OSError as exc:
        raise StorageError(f"cannot use {exc.filename}: {exc.strerror}") from exc
    _check(path)


def _create(path: Path) -> None:
    # Under another name until it is whole: a crash half-way leaves nothing at `path`.
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = apsw.Connection(str(unfinished))
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode = WAL")
    except apsw.Error as exc:
        raise StorageError(f"cannot create {path}: {exc}") from exc
    finally:
        connection.close()
    unfinished.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check(path: Path) -> None:
    try:
        # Opened through SQLite and only to read: closing a plain file handle of a database
        # would drop the locks SQLite holds on it (sqlite.org/howtocorrupt.html, 2.2).
        # Immutable, or SQLite would put a -wal and a -shm beside somebody else's file.
        connection = apsw.Connection(
            f"{path.as_uri()}?immutable=1",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )
        try:
            application_id = connection.pragma("application_id")
        finally:
            connection.close()
    except apsw.NotADBError as exc:
        raise WrongDatabase(f"{path} is not an SQLite database; point DB_PATH elsewhere") from exc
    except apsw.CorruptError as exc:
        raise StorageCorrupt(f"{path} is damaged ({exc}); restore a backup") from exc
    except apsw.Error as exc:
        raise StorageError(f"cannot open {path}: {exc}") from exc
    if application_id != APPLICATION_ID:
        raise WrongDatabase(
            f"{path} is another program's SQLite database "
            f"(application_id {application_id:#x}); point DB_PATH elsewhere"
        )
