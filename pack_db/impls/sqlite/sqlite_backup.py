"""A copy of the database while the daemon writes to it."""

import gzip
import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from pack_db.errors import StorageBusy, StorageError, StorageFull
from pack_db.impls.database.storage_errors import of_system
from pack_db.impls.sqlite.file_lock import FileLock
from pack_db.impls.sqlite.sqlite_check import require_database, verify_copy
from pack_db.impls.sqlite.sqlite_errors import translated

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many bytes of it are done, and of how many."""

# Small steps, each synced, with pauses between: what waits in the kernel would be written all at
# once, and the daemon's own syncs would wait behind it.
_STEP_PAGES = 32
_CHUNK_BYTES = 2**20
_REST = 2  # pause after a step, in times of what the step took


def back_up(database: Path, backup: Path, progress: Progress, *, compress: bool = False) -> None:
    """Copy the database, as it is at this moment, to a new file.

    Nothing is at `backup` until the copy is whole, verified and on the disk. Beside a running
    daemon it waits for nobody and holds nobody up; the daemon's write-ahead log grows meanwhile
    by all that is written.

    Args:
        compress: write it as gzip does.

    Raises:
        WrongDatabase: there is no database of pack-db.
        StorageBusy: another backup is being made in the same directory.
        StorageError: the database cannot be read, or the backup not be written.
    """
    require_database(database)
    try:
        if not backup.parent.is_dir():
            raise StorageError(f"there is no directory {backup.parent}; make it first")
        if backup.exists():
            raise StorageError(f"{backup} is there already; remove it, or use another name")
    except OSError as exc:
        raise cannot_write(backup, exc) from exc
    # As another backup would write to the same unfinished files; what a killed one left of
    # them is removed.
    lock = FileLock(backup.with_name(".pack-db-backup.lock"))
    if not lock.acquire():
        raise StorageBusy(
            f"{lock.holder()} makes a backup in {backup.parent} already; try again after it"
        )
    copy = backup.with_name(".pack-db-backup.unfinished")
    packed = backup.with_name(".pack-db-backup.unfinished.gz")
    try:
        _remove(copy, packed)
        _copy(database, copy, progress)
        progress("verifying", 0, 0)
        verify_copy(copy, database)  # what is wrong with the copy is wrong with the database
        if compress:
            _compress(copy, packed, progress)
        sync(packed if compress else copy)
        (packed if compress else copy).rename(backup)
        sync(backup.parent)
    except OSError as exc:
        raise cannot_write(backup, exc) from exc
    finally:
        _remove(copy, packed)
        lock.release()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def cannot_write(path: Path, exc: OSError) -> StorageError:
    return of_system(f"cannot write {path}", exc)


def _copy(database: Path, copy: Path, progress: Progress) -> None:
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with (
            closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)) as source,
            closing(apsw.Connection(str(copy))) as target,
        ):
            # A transaction sees no later write. Without one SQLite would start the copy anew
            # after each commit of the daemon, and might never end.
            source.execute("BEGIN; SELECT 1 FROM sqlite_schema")
            target.pragma("synchronous", "OFF")  # as each step is synced here
            page_size = source.pragma("page_size")
            with target.backup("main", source, "main") as backup:
                while not backup.done:
                    started = time.monotonic()
                    backup.step(_STEP_PAGES)
                    sync(copy)
                    copied = backup.page_count - backup.remaining
                    progress("copying", copied * page_size, backup.page_count * page_size)
                    time.sleep(_REST * (time.monotonic() - started))
    except apsw.FullError as exc:
        raise StorageFull(f"no room left in {copy.parent} for the backup; free some") from exc
    except apsw.Error as exc:
        raise translated(exc) from exc


def _compress(copy: Path, packed: Path, progress: Progress) -> None:
    size = copy.stat().st_size
    with copy.open("rb") as source, packed.open("xb") as target:
        os.fchmod(target.fileno(), 0o600)
        with gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=6) as gzipped:
            while chunk := source.read(_CHUNK_BYTES):
                gzipped.write(chunk)
                os.fdatasync(target.fileno())
                progress("compressing", source.tell(), size)


def _remove(*paths: Path) -> None:
    for path in paths:
        for suffix in ("", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
