import logging

from pack_db.errors import StorageBusy, StorageCorrupt, StorageError
from pack_db.interfaces.entities.database_status import GOOD_HEALTH

LOG_LIMIT_BYTES = 64 * 2**20
"""Of the write-ahead log, which has 16 MiB as long as no reader holds it."""

_LOG_IS_HELD = (
    f"the write-ahead log is larger than {LOG_LIMIT_BYTES // 2**20} MiB and cannot be written "
    "back, because another program keeps reading the database; "
    "wait for it if it is a backup, else end it"
)

_log = logging.getLogger(__name__)


class StorageHealth:
    """Remembers how the database failed last, until it was written to again.

    A damaged database stays damaged: writing on would spread the damage.
    """

    def __init__(self) -> None:
        self.failure: StorageError | None = None
        self._failures = 0
        self._changes = 0
        self._log_is_held = False

    def failed(self, error: StorageError, changes: int) -> None:
        """
        Args:
            changes: rows that the connection has changed so far.
        """
        # One kind of line for each kind of failure; the error names no argument of a call.
        _log.error(f"{error.code}: %s", error)
        if not isinstance(self.failure, StorageCorrupt):
            self.failure = error
        self._failures += 1
        self._changes = changes

    def committed(self, changes: int) -> None:
        """A transaction was committed; `changes` as for `failed`."""
        # A full disk takes a transaction that writes nothing; a lock lets none begin.
        if isinstance(self.failure, StorageBusy) or changes > self._changes:
            _log.info("the database can be written to again, after %d failures", self._failures)
            self.failure = None
            self._failures = 0

    def saw_log(self, *, is_held: bool) -> None:
        """
        Args:
            is_held: the write-ahead log is too large, and a reader keeps it so.
        """
        self._log_is_held = is_held
        if is_held:
            _log.warning(_LOG_IS_HELD)

    def in_words(self) -> str:
        if self.failure is not None:
            return str(self.failure)
        return _LOG_IS_HELD if self._log_is_held else GOOD_HEALTH

    def check_writable(self) -> None:
        """
        Raises:
            StorageCorrupt: the database turned out to be damaged.
        """
        if isinstance(self.failure, StorageCorrupt):
            raise StorageCorrupt(
                f"{self.failure}; nothing is written until the daemon was restarted"
            )
