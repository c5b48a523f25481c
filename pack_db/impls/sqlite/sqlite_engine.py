import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import apsw

from pack_db.errors import (
    DatabaseInUse,
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageMoved,
)
from pack_db.impls.database.database_engine import Engine
from pack_db.impls.database.forked_child import keep_for_ever
from pack_db.impls.database.storage_health import StorageHealth
from pack_db.impls.sqlite import sqlite_file
from pack_db.impls.sqlite.background_commit import BackgroundCommit
from pack_db.impls.sqlite.database_lock import DatabaseLock
from pack_db.impls.sqlite.foreign_writes import ForeignWrites
from pack_db.impls.sqlite.open_connection import (
    BUSY_TIMEOUT_S,
    DRIVER_ERRORS,
    new_database,
    open_connection,
)
from pack_db.impls.sqlite.open_files import OpenFiles
from pack_db.impls.sqlite.sqlite_errors import translated
from pack_db.impls.sqlite.write_ahead_log import WriteAheadLog
from pack_db.interfaces.entities.database_status import DatabaseStatus

# While a lock is known to be held, nobody waits long for it again: those behind would be late.
_STILL_BUSY_TIMEOUT_S = 0.05
_UNDONE = "a statement failed and undid all before it, and the work went on; nothing was written"
_DURABILITY = {
    "NORMAL": "a write survives a crash of the daemon, but not always a power failure",
    "FULL": "a write survives a crash of the daemon and a power failure",
    "EXTRA": "a write survives a crash of the daemon and a power failure",
}


class SqliteEngine(Engine):
    """One connection to a file that no other process writes to; see also `BackgroundCommit`.

    Raises:
        DatabaseInUse, WrongDatabase, StorageCorrupt, StorageError: as `DatabaseConnection`.
    """

    driver_errors = DRIVER_ERRORS

    def __init__(self, path: Path, synchronous: str, *, makes_directory: bool = False) -> None:
        self.location = str(path)
        self.lock = threading.RLock()
        self._path = path
        self._synchronous = synchronous
        self._health = StorageHealth()
        self._in_snapshot = False
        self._is_undone = False
        self._background: BackgroundCommit | None = None
        self._watches: list[OpenFiles | ForeignWrites] = []
        sqlite_file.require_directory(path.parent, make=makes_directory)
        real = sqlite_file.real_path(path)
        self.database = new_database(real, synchronous)
        self._database_lock = DatabaseLock(real)
        self._opened = ExitStack()
        self._opened.callback(self._database_lock.release)
        self._opened.callback(self._close_watches)
        self._opened.callback(self.database.close)
        try:
            self._acquire_lock()
            sqlite_file.prepare(real)
            self._acquire_lock()
            self._open(real)
        except BaseException:
            self.close()
            raise

    def connect(self) -> None:
        self._wait_for_commit()
        self._health.check_writable()
        self._is_undone = self._is_undone and self.database.in_transaction()
        self._end_snapshot()

    def begin(self) -> None:
        if self._used is not self._apsw:
            self._wait_for_commit()
        if self._health.failure is not None or self._in_snapshot:
            self.connect()
        self._is_undone = False
        self._apsw.execute("BEGIN IMMEDIATE")  # a read that turns write would fail without waiting

    def commit(self) -> None:
        try:
            if self._is_undone:
                raise StorageError(_UNDONE)
            self._files.check_if_changed()
            self._apsw.execute("COMMIT")
        except BaseException as exc:
            raise self._not_committed(exc) from exc
        if not self._log.is_marked or self._health.failure is not None:
            self._committed()

    def start_commit(self, ended: Callable[[], object]) -> None:
        try:
            if self._is_undone:
                raise StorageError(_UNDONE)
            self._files.check_if_changed()
            if self._background is None:
                self._background = BackgroundCommit(self.database)
                self._opened.callback(self._background.close)
        except BaseException as exc:
            raise self._not_committed(exc) from exc
        self._use(self._background.reader)
        self._background.start(ended)

    def finish_commit(self) -> None:
        self._wait_for_commit()
        try:
            if self._background is not None:
                self._background.result()
        except self.driver_errors as exc:
            raise self.failed(exc) from exc
        self._committed()

    @contextmanager
    def migrating(self) -> Iterator[None]:
        yield
        self._committed()

    def roll_back(self) -> None:
        self._is_undone = False
        if self._apsw.in_transaction:  # else SQLite has undone it by itself
            self._apsw.execute("ROLLBACK")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        # Else each query locks the file and unlocks it again, which takes longer than the query.
        if self._in_snapshot:
            yield
            return
        self.run("BEGIN", ())
        self._in_snapshot = True
        try:
            yield
        finally:
            self._end_snapshot()

    def is_in_transaction(self) -> bool:
        return bool(self._apsw.in_transaction) and not self._is_undone

    def failed(self, exc: Exception) -> Exception:
        is_open = not self.database.is_closed()
        number = self._used.system_errno if is_open else 0
        self._wait_for_commit()
        error = translated(exc, number)
        if isinstance(error, StorageError) and is_open:
            if self._apsw.in_transaction and not self.database.in_transaction():
                # A snapshot, or its ROLLBACK failed; what comes next must not become a part of it.
                self._apsw.execute("ROLLBACK")
            elif self.database.in_transaction() and not self._apsw.in_transaction:
                # Somebody may catch the error and write on, which is then undone, too.
                self._apsw.execute("BEGIN")
                self._is_undone = True
            self._health.failed(error, self._apsw.total_changes())
            if isinstance(error, StorageBusy):
                self._apsw.set_busy_timeout(int(_STILL_BUSY_TIMEOUT_S * 1000))
        return error

    def check(self) -> str:
        try:
            self._files.check()
            self._foreign_writes.check()
        except (StorageMoved, StorageCorrupt) as error:
            self._wait_for_commit()
            self._health.failed(error, self._apsw.total_changes())
        if self._log.is_long:
            self._wait_for_commit()
        self._health.saw_log(is_held=self._log.is_held())
        return self._health.in_words()

    def status(self, schema_version: str) -> DatabaseStatus:
        self._wait_for_commit()
        return DatabaseStatus(
            engine=f"SQLite {apsw.sqlite_lib_version()}",
            path=str(self._path),
            size_bytes=self._path.stat().st_size if self._path.exists() else 0,
            log_bytes=self._log.size_bytes,
            schema_version=schema_version,
            durability=_DURABILITY[self._synchronous],
            health=self._health.in_words(),
        )

    def close(self) -> None:
        if self._watches and not self.database.is_closed():
            self.check()
            if isinstance(self._health.failure, (StorageMoved, StorageCorrupt)):
                # SQLite would write the log into what is no longer its database, and remove what
                # has the log's name now.
                self._apsw.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._opened.close()

    def leave_to_parent(self, opened_by: int) -> None:
        super().leave_to_parent(opened_by)
        keep_for_ever(self._apsw)
        if self._background is not None:
            keep_for_ever(self._background.reader)
        self._in_snapshot = False
        self._database_lock.leave_to_parent()

    def _not_committed(self, exc: BaseException) -> BaseException:
        if isinstance(exc, StorageMoved):
            self._health.failed(exc, self._apsw.total_changes())
        self.roll_back()
        return self.failed(exc) if isinstance(exc, self.driver_errors) else exc

    def _committed(self) -> None:
        if not self._log.is_marked:
            self._log.mark()
        if self._health.failure is not None:
            self._health.committed(self._apsw.total_changes())
            self._apsw.set_busy_timeout(int(BUSY_TIMEOUT_S * 1000))

    def _wait_for_commit(self) -> None:
        """Have the connection back that a thread commits on, if one does."""
        if self._background is not None and self._used is self._background.reader:
            self._end_snapshot()
            self._background.wait()
            self._use(self._apsw)
            self.roll_back()  # if it failed

    def _use(self, connection: apsw.Connection) -> None:
        self._used = connection
        self.run = self.cursor = connection.execute

    def _acquire_lock(self) -> None:
        if not self._database_lock.acquire():
            raise DatabaseInUse(
                f"{self._path} is in use by {self._database_lock.holder()}; "
                "stop that process, or call it through its socket"
            )

    def _open(self, real: Path) -> None:
        self._apsw = open_connection(self.database, self._path)
        self._use(self._apsw)
        self._files = OpenFiles(real, link=None if real == self._path else self._path)
        self._watches.append(self._files)
        self._foreign_writes = ForeignWrites(real)
        self._watches.append(self._foreign_writes)
        self._log = WriteAheadLog(self._apsw, self._files.log)

    def _close_watches(self) -> None:
        while self._watches:
            self._watches.pop().close()

    def _end_snapshot(self) -> None:
        if self._in_snapshot:
            self._in_snapshot = False
            if self._used.in_transaction:  # SQLite ends it by itself when the disk fails
                self.run("COMMIT", ())
