import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from pack_db.config import Config
from pack_db.errors import (
    DatabaseInUse,
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageMoved,
    StorageReadOnly,
)
from pack_db.impls import sqlite_file
from pack_db.impls.compiled_query import CompiledQuery, Row
from pack_db.impls.file_lock import FileLock
from pack_db.impls.migration_runner import MIGRATIONS, MigrationRunner
from pack_db.impls.open_files import OpenFiles
from pack_db.impls.storage_errors import translated
from pack_db.impls.storage_health import LOG_LIMIT_BYTES, StorageHealth
from pack_db.interfaces.database import Database
from pack_db.interfaces.entities.database_status import DatabaseStatus

_BUSY_TIMEOUT_S = 0.5  # a client sends again after a second, and would not know what was done
# While a lock is known to be held, nobody waits long for it again: those behind would be late.
_STILL_BUSY_TIMEOUT_S = 0.05
_CHECKED_BYTES = 16 * 2**20  # quick_check reads about a megabyte in a millisecond
_DURABILITY = {
    "NORMAL": "a write survives a crash of the daemon, but not always a power failure",
    "FULL": "a write survives a crash of the daemon and a power failure",
    "EXTRA": "a write survives a crash of the daemon and a power failure",
}


class DatabaseConnection(Database):
    """The one connection to the database, open from construction to `close`.

    It holds the database's lock file all that time, so no other process opens the database
    through pack-db. Threads take turns.

    Args:
        migrations: as `ServiceFactory.migrations`.

    Raises:
        DatabaseInUse: another process has the database; the message names it.
        WrongDatabase: the file is not pack-db's.
        StorageCorrupt: it is damaged; a large file is not read whole to find that out.
        StorageError: the file cannot be opened, or not be written to.
    """

    def __init__(self, config: Config, migrations: Mapping[str, Path] = MIGRATIONS) -> None:
        self.path: Path = config.database_path
        self._migrations = migrations
        self._synchronous = config.synchronous
        self._turn = threading.RLock()
        self._health = StorageHealth()
        sqlite_file.make_directory(self.path.parent)
        self._database = APSWDatabase(
            str(self.path),
            pragmas={
                "journal_mode": "wal",
                "synchronous": config.synchronous,
                "foreign_keys": "on",
                "journal_size_limit": LOG_LIMIT_BYTES,
            },
            timeout=_BUSY_TIMEOUT_S,
            lock_type="IMMEDIATE",  # a read that turns write would fail without waiting
            autoconnect=False,  # else a call after `close` would open it without the lock
            thread_safe=False,  # else Peewee opens a connection for each thread
        )
        self._file_lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        if not self._file_lock.acquire():
            raise DatabaseInUse(
                f"{self.path} is in use by {self._file_lock.holder()}; "
                "stop that process, or call it through its socket"
            )
        try:
            sqlite_file.prepare(self.path)
            self._open()
        except BaseException:
            self.close()
            raise

    def run_migrations(self) -> list[str]:
        """Bring the schema to the newest version; returns the names of the scripts applied.

        Raises:
            WrongDatabase: a newer pack-db, or a newer version of another package, made the
                database.
            ConfigurationError: a migration of another package is missing or failed.
        """
        with self._turn, self._translated():
            return MigrationRunner(self._database, self._migrations).run()

    def compile(self, query: peewee.Node) -> CompiledQuery:
        """Let Peewee write `query` in this database's SQL."""
        sql, values = self._database.get_sql_context().sql(query).query()
        return CompiledQuery(self.execute, sql, values)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; returns its rows.

        Raises:
            ConstraintViolated: a row would break a constraint of its table.
            StorageError: the database failed.
        """
        with self._turn:
            try:
                # Peewee's execute_sql would do the same in three times the time.
                rows: list[Row] = self._database.cursor().execute(sql, values).fetchall()
            except (peewee.InterfaceError, apsw.Error) as exc:
                raise self._failed(exc) from exc
            return rows

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._turn:
            if self._database.in_transaction():
                yield
            else:
                self._health.check_writable()
                with self._translated(), self._database.atomic():
                    yield
                    self._check_files()
                if self._health.failure is not None:
                    self._committed()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        # Peewee's own gives each savepoint a random name, which SQLite has to parse anew.
        with self._turn:
            self.execute("SAVEPOINT pack_db")
            try:
                yield
            except BaseException:
                # On a full disk or an I/O error SQLite has undone the whole transaction already.
                if self._database.connection().in_transaction:
                    self.execute("ROLLBACK TO SAVEPOINT pack_db")
                    self.execute("RELEASE SAVEPOINT pack_db")
                raise
            self.execute("RELEASE SAVEPOINT pack_db")

    def check(self) -> str:
        with self._turn:
            with suppress(StorageMoved):
                self._check_files()
            self._health.saw_log(is_held=self._log_is_held())
            return self._health.in_words()

    def status(self) -> DatabaseStatus:
        return DatabaseStatus(
            engine=f"SQLite {apsw.sqlite_lib_version()}",
            path=str(self.path),
            size_bytes=sum(p.stat().st_size for p in (self.path, self._files.log) if p.exists()),
            schema_version=self._schema_version(),
            durability=_DURABILITY[self._synchronous],
            health=self._health.in_words(),
        )

    def close(self) -> None:
        """Write the WAL back into the database and give up the lock."""
        self._database.close()
        self._file_lock.release()

    def _open(self) -> None:
        found = "ok"
        try:
            self._database.connect()
            connection = self._database.connection()
            if self.path.stat().st_size <= _CHECKED_BYTES:
                found = connection.pragma("quick_check", 1)
        except (peewee.PeeweeException, apsw.Error) as exc:
            error = translated(exc)
            if isinstance(error, StorageError):
                error = type(error)(f"cannot open {self.path}: {error}")
            raise error from exc
        if found != "ok":
            details = " ".join(found.split())
            raise StorageCorrupt(f"{self.path} is damaged ({details}); restore a backup")
        if connection.readonly("main"):
            raise StorageReadOnly(
                f"this user may only read {self.path}; change its owner or its mode"
            )
        self._files = OpenFiles(self.path)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (peewee.PeeweeException, apsw.Error) as exc:
            raise self._failed(exc) from exc

    def _check_files(self) -> None:
        try:
            self._files.check()
        except StorageMoved as error:
            self._health.failed(error, self._database.connection().total_changes())
            raise

    def _failed(self, exc: Exception) -> Exception:
        error = translated(exc)
        if isinstance(error, StorageError) and not self._database.is_closed():
            connection = self._database.connection()
            self._health.failed(error, connection.total_changes())
            if isinstance(error, StorageBusy):
                connection.set_busy_timeout(int(_STILL_BUSY_TIMEOUT_S * 1000))
        return error

    def _committed(self) -> None:
        connection = self._database.connection()
        self._health.committed(connection.total_changes())
        connection.set_busy_timeout(int(_BUSY_TIMEOUT_S * 1000))

    def _schema_version(self) -> str:
        try:
            return MigrationRunner(self._database).applied()[-1]
        except (peewee.PeeweeException, apsw.Error):
            return "unreadable"  # the status has to say so of a broken database, too

    def _log_is_held(self) -> bool:
        """Whether the write-ahead log is long and a reader keeps it from being written back."""
        try:
            if self._files.log.stat().st_size <= LOG_LIMIT_BYTES:
                return False
            [(_, frames, written_back)] = self.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (OSError, StorageError):
            return False  # which is worse, and known
        return bool(written_back < frames)
