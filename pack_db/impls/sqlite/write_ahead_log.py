from contextlib import suppress
from pathlib import Path

import apsw

from pack_db.impls.database.storage_health import LOG_LIMIT_BYTES
from pack_db.impls.sqlite import log_marker

# 16 MiB. Four times SQLite's own: a page that is written often is written back once, and batches
# of writes go a seventh faster. The pause at each end of it is hardly longer.
_CHECKPOINT_PAGES = 4000


class WriteAheadLog:
    """The write-ahead log of a database that is open: when it is written back, and its marker.

    Args:
        path: of the log.
    """

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self.is_marked = False
        """Whether it says which database it continues; to be asked after each commit."""
        self._connection = connection
        self._path = path
        self._pages = 0
        connection.set_wal_hook(self._has_grown)

    @property
    def size_bytes(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    @property
    def is_long(self) -> bool:
        """Whether it should have been written back by now."""
        try:
            return self.size_bytes > LOG_LIMIT_BYTES
        except OSError:
            return False  # which is worse, and known

    def mark(self) -> None:
        """Let it say which database it continues."""
        with suppress(apsw.Error):  # it was no part of the transaction, and is tried again
            log_marker.mark(self._connection)
            self.is_marked = True

    def is_held(self) -> bool:
        """Whether it is long and a reader keeps it from being written back."""
        if not self.is_long:
            return False
        try:
            frames, written_back = self._connection.wal_checkpoint(
                mode=apsw.SQLITE_CHECKPOINT_PASSIVE
            )
        except apsw.Error:
            return False  # which is worse, and known
        return written_back < frames

    def _has_grown(self, connection: apsw.Connection, name: str, pages: int) -> int:
        # Only a log that was begun anew is shorter than before.
        self.is_marked = self.is_marked and pages > self._pages
        self._pages = pages
        if pages >= _CHECKPOINT_PAGES:
            with suppress(apsw.Error):  # as SQLite's own does: the commit is done
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK
