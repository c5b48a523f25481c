"""Putting a backup in the place of the database."""

import gzip
import os
import signal
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import apsw

from pack_db.errors import (
    DatabaseInUse,
    StorageBusy,
    StorageCorrupt,
    StorageError,
    WrongDatabase,
)
from pack_db.impls.database.storage_errors import of_system
from pack_db.impls.sqlite import sqlite_file
from pack_db.impls.sqlite.database_lock import DatabaseLock
from pack_db.impls.sqlite.log_marker import refuse_foreign_log
from pack_db.impls.sqlite.sqlite_backup import Progress, cannot_write, sync
from pack_db.impls.sqlite.sqlite_check import verify_copy

_CHUNK_BYTES = 2**20
_GZIP_MAGIC = b"\x1f\x8b"


def restore(
    backup: Path, database: Path, progress: Progress, *, makes_directory: bool = False
) -> Path | None:
    """Replace the database by a verified copy of a backup; nothing else has changed on failure.

    The journal of replies is part of both: the rows of the backup are those of the writes in it.

    Args:
        makes_directory: make that of the database if it is not there.

    Returns:
        Where the database is now that was replaced; None if there was none.

    Raises:
        DatabaseInUse: a daemon has the database.
        StorageBusy: another program reads the database.
        WrongDatabase, StorageCorrupt: the backup is not a whole database of pack-db.
        StorageError: the backup cannot be read or the database cannot be written.
    """
    sqlite_file.require_directory(database.parent, make=makes_directory)
    database = sqlite_file.real_path(database)
    lock = DatabaseLock(database)
    if not lock.acquire():
        raise DatabaseInUse(f"{database} is in use by {lock.holder()}; stop that process first")
    copy = _beside(database, ".restoring")
    try:
        copy.unlink(missing_ok=True)
        _unpack(backup, copy, progress)
        progress("verifying", 0, 0)
        verify_copy(copy, backup)
        return _replace(database, copy)
    except OSError as exc:
        raise cannot_write(database, exc) from exc
    finally:
        copy.unlink(missing_ok=True)
        lock.release()


def _unpack(backup: Path, copy: Path, progress: Progress) -> None:
    wal = _beside(backup, "-wal")
    if wal.exists() and wal.stat().st_size:
        raise StorageError(
            f"{wal} has writes that {backup} lacks, so this is no backup but a database in use; "
            "make a copy with 'pack-db backup'"
        )
    try:
        with backup.open("rb") as packed, copy.open("xb") as target:
            os.fchmod(target.fileno(), 0o600)
            size = backup.stat().st_size
            with _plain(packed) as source:
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
                    progress("copying", packed.tell(), size)
            target.flush()
            os.fsync(target.fileno())
    except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
        raise StorageCorrupt(f"{backup} is damaged: {exc}") from exc
    except OSError as exc:
        if exc.filename == str(backup):
            raise of_system(f"cannot read {backup}", exc) from exc
        raise


@contextmanager
def _plain(packed: BinaryIO) -> Iterator[BinaryIO | gzip.GzipFile]:
    is_gzip = packed.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    packed.seek(0)
    if is_gzip:
        with gzip.GzipFile(fileobj=packed) as source:
            yield source
    else:
        yield packed


def _replace(database: Path, copy: Path) -> Path | None:
    wal = _beside(database, "-wal")
    shm = _beside(database, "-shm")
    kept = _beside(database, time.strftime(".replaced-%Y%m%dT%H%M%SZ", time.gmtime()))
    if not database.exists():
        # A log without its database would be taken for the new one's; it may have the last writes.
        if wal.exists():
            wal.rename(_beside(kept, "-wal"))
        shm.unlink(missing_ok=True)
        copy.rename(database)
        sync(database.parent)
        return None
    _write_back_wal(database)
    owner = database.stat()
    if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(copy, owner.st_uid, owner.st_gid)
    with _interrupts_held():
        os.link(database, kept)
        if wal.exists():
            # Only of a database too damaged for its log to be written back, or of another one.
            wal.rename(_beside(kept, "-wal"))
        shm.unlink(missing_ok=True)
        copy.rename(database)
        sync(database.parent)
    return kept


def _write_back_wal(database: Path) -> None:
    """Make the database one file, so that it can be replaced in one step."""
    try:
        refuse_foreign_log(database)
        with closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)) as old:
            [(busy, _, _)] = old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (WrongDatabase, apsw.CorruptError, apsw.NotADBError):
        return  # damaged, which may be why it is replaced
    except apsw.BusyError:
        busy = True
    # Closed last, SQLite removes the log.
    if busy or _beside(database, "-wal").exists():
        raise StorageBusy(f"another program has {database} open; close it there first")


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block is done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
