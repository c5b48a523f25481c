"""Making sure that the file is ours before SQLite is let loose on it."""

import os
from pathlib import Path

import apsw

from pack_db.errors import StorageCorrupt, StorageError, WrongDatabase
from pack_db.impls.database.storage_errors import of_system
from pack_db.impls.sqlite import log_marker
from pack_db.impls.sqlite.sqlite_errors import translated

APPLICATION_ID = int.from_bytes(b"pack")
"""What `PRAGMA application_id` says in a database of ours."""

_HEADER_BYTES = 100  # sqlite.org/fileformat2.html, 1.3


def real_path(path: Path) -> Path:
    """Where the file itself is, if `path` is a symbolic link; the log and the lock are beside it.

    Raises:
        StorageError: what the link points to is not there.
    """
    try:
        if not path.is_symlink():
            return path
        path.stat()
        return Path(os.path.realpath(path))
    except FileNotFoundError:
        raise StorageError(
            f"{path} is a link to {os.path.realpath(path)}, which is not there; "
            "is its volume mounted? Nothing was made in its place"
        ) from None
    except OSError as exc:
        raise of_system(f"cannot use {path}", exc) from exc


def require_directory(path: Path, *, make: bool) -> None:
    """
    Args:
        make: whether it may be made, with those above it.

    Raises:
        StorageError: the directory is not there or cannot be made.
    """
    try:
        if make:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.stat()
    except FileNotFoundError:
        while not os.path.exists(path.parent):
            path = path.parent
        raise StorageError(
            f"there is no directory {path}; make it, or set DB_PATH to where the database is"
        ) from None
    except OSError as exc:
        doing = "make" if make else "use"
        raise of_system(f"DB_PATH: cannot {doing} the directory {path}", exc) from exc


def prepare(path: Path) -> None:
    """Create the database if there is none; refuse a file that is not a pack-db database.

    Raises:
        WrongDatabase: the file is something else, or beside it is what belongs to another file;
            nothing is touched.
        StorageCorrupt: a part of it is missing.
        StorageError: the file cannot be read or made.
    """
    try:
        _refuse_leftovers(path)
        if not path.exists():
            _create(path)
        elif not path.is_file():
            raise WrongDatabase(f"{path} is not a file; point DB_PATH at pack-db's database")
        elif path.stat().st_size == 0:
            raise WrongDatabase(
                f"{path} is empty, not a pack-db database; "
                "remove it to start anew, or restore a backup"
            )
        _check(path)
        log_marker.refuse_foreign_log(path)
    except OSError as exc:
        raise of_system(f"cannot use {exc.filename}", exc) from exc


def _refuse_leftovers(path: Path) -> None:
    # SQLite would roll it back into the database; one that is in WAL mode makes none.
    if _has_content(journal := path.with_name(path.name + "-journal")):
        raise WrongDatabase(
            f"{journal} is there, which pack-db does not make: another program left it, and it may "
            f"belong to another file; look whose it is, then move it away from {path}"
        )
    if path.exists():
        return
    # SQLite would take it for the log of the new database, and remove it.
    if _has_content(log := path.with_name(path.name + "-wal")):
        raise WrongDatabase(
            f"{path} is gone, and its write-ahead log {log} is still there, with writes that were "
            "acknowledged; put the database back beside it, and keep both together. To do without "
            "these writes, move the log away"
        )


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _create(path: Path) -> None:
    # Under another name until it is whole: a crash half-way leaves nothing at `path`.
    unfinished = path.with_name(path.name + ".new")
    for suffix in ("", "-journal", "-wal", "-shm"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = apsw.Connection(str(unfinished))
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        log_marker.mark(connection)
        connection.execute("PRAGMA journal_mode = WAL")
    except apsw.Error as exc:
        raise translated(exc, doing=f"cannot create {path}") from exc
    finally:
        connection.close()
    unfinished.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _check(path: Path) -> None:
    # Not through SQLite: it would put a -wal and a -shm beside somebody else's file, or, told not
    # to, take one of ours that was killed in a checkpoint for damaged. Nothing of this process has
    # the file open yet, so closing it drops no lock (sqlite.org/howtocorrupt.html, 2.2).
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as exc:
        raise of_system(f"cannot open {path}", exc) from exc
    if len(header) < _HEADER_BYTES or not header.startswith(b"SQLite format 3\0"):
        raise WrongDatabase(f"{path} is not an SQLite database; point DB_PATH elsewhere")
    application_id = int.from_bytes(header[68:72])
    if application_id != APPLICATION_ID:
        raise WrongDatabase(
            f"{path} is another program's SQLite database "
            f"(application_id {application_id:#x}); point DB_PATH elsewhere"
        )
    size, whole = path.stat().st_size, _bytes_of_all_pages(header)
    # With a log it may be on its way back into the database.
    if size < whole and not _has_content(path.with_name(path.name + "-wal")):
        raise StorageCorrupt(
            f"{path} is damaged: it is cut off after {size} of {whole} bytes; restore a backup"
        )


def _bytes_of_all_pages(header: bytes) -> int:
    """0 where the header does not tell (sqlite.org/fileformat2.html, 1.3.7)."""
    page_bytes = int.from_bytes(header[16:18])
    is_told = header[24:28] == header[92:96]
    return is_told * (65536 if page_bytes == 1 else page_bytes) * int.from_bytes(header[28:32])
