"""The SQLite database that is moved, as it is at one moment."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from pack_db.errors import DatabaseInUse
from pack_db.impls.sqlite.database_lock import DatabaseLock
from pack_db.impls.sqlite.sqlite_errors import translated


@contextmanager
def held(path: Path, rehearse: bool) -> Iterator[None]:
    """Keep daemons out, so that nothing is written that would not be moved."""
    lock = DatabaseLock(path)
    if not rehearse and not lock.acquire():
        raise DatabaseInUse(
            f"{path} is in use by {lock.holder()}; stop that process first, or try a move beside "
            "it with --rehearse"
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def snapshot(path: Path) -> Iterator[apsw.Connection]:
    """The source as it is at this moment, whatever is written meanwhile."""
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as source:
            source.execute("BEGIN; SELECT 1 FROM sqlite_schema")
            yield source
    except apsw.Error as exc:
        raise translated(exc) from exc
