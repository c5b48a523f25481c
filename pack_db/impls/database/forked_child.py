"""What a forked child does with the connections of its parent: nothing, ever.

A connection has one process. What a child sends over it mixes with what the parent sends, what it
closes is closed for both, and SQLite's locks do not come along (sqlite.org/howtocorrupt.html, 2.6).
"""

from types import TracebackType
from typing import NoReturn

from pack_db.errors import StorageError


class ParentsLock:
    """Takes the place of the lock around a connection: nobody gets it in this process.

    Args:
        location: of the database, for people.
        opened_by: the process that has it.
    """

    def __init__(self, location: str, opened_by: int) -> None:
        self._location = location
        self._opened_by = opened_by

    def __enter__(self) -> NoReturn:
        raise StorageError(
            f"{self._location} was opened by process {self._opened_by}, before this one was forked "
            "from it; call it with a client of the daemon, or do ServiceFactory.reset() and open "
            "another database"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass


def keep_for_ever(connection: object) -> None:
    """Never let `connection` be closed, not even by the end of this process."""
    import ctypes  # only a child needs it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
