import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from pack_db.config import Config
from pack_db.errors import DatabaseInUse
from pack_db.impls import sqlite_file
from pack_db.impls.compiled_query import CompiledQuery, Row
from pack_db.impls.file_lock import FileLock
from pack_db.impls.migration_runner import MigrationRunner
from pack_db.impls.storage_errors import translated
from pack_db.interfaces.database import Database
from pack_db.interfaces.entities.database_status import DatabaseStatus

_BUSY_TIMEOUT_S = 2.0
_DURABILITY = {
    "NORMAL": "a write survives a crash of the daemon, but not always a power failure",
    "FULL": "a write survives a crash of the daemon and a power failure",
    "EXTRA": "a write survives a crash of the daemon and a power failure",
}


class DatabaseConnection(Database):
    """The one connection to the database, open from construction to `close`.

    It holds the database's lock file all that time, so no other process opens the database
    through pack-db. Threads take turns.

    Raises:
        DatabaseInUse: another process has the database; the message names it.
        WrongDatabase: the file is not pack-db's.
        StorageError: the file cannot be opened.
    """

    def __init__(self, config: Config) -> None:
        self.path: Path = config.database_path
        self._synchronous = config.synchronous
        self._turn = threading.RLock()
        sqlite_file.make_directory(self.path.parent)
        self._file_lock = FileLock(self.path.with_name(self.path.name + ".lock"))
        if not self._file_lock.acquire():
            raise DatabaseInUse(
                f"{self.path} is in use by {self._file_lock.holder()}; "
                "stop that process, or call it through its socket"
            )
        try:
            sqlite_file.prepare(self.path)
            self._database = APSWDatabase(
                str(self.path),
                pragmas={
                    "journal_mode": "wal",
                    "synchronous": config.synchronous,
                    "foreign_keys": "on",
                },
                timeout=_BUSY_TIMEOUT_S,
                lock_type="IMMEDIATE",  # a read that turns write would fail without waiting
                autoconnect=False,  # else a call after `close` would open it without the lock
                thread_safe=False,  # else Peewee opens a connection for each thread
            )
            with self._translated():
                self._database.connect()
        except BaseException:
            self._file_lock.release()
            raise

    def run_migrations(self) -> list[str]:
        """Bring the schema to the newest version; returns the names of the scripts applied.

        Raises:
            WrongDatabase: a newer pack-db made the database.
        """
        with self._turn, self._translated():
            return MigrationRunner(self._database).run()

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
                raise translated(exc) from exc
            return rows

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._turn:
            if self._database.in_transaction():
                yield
            else:
                with self._translated(), self._database.atomic():
                    yield

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

    def status(self) -> DatabaseStatus:
        wal = self.path.with_name(self.path.name + "-wal")
        return DatabaseStatus(
            engine=f"SQLite {apsw.sqlite_lib_version()}",
            path=str(self.path),
            size_bytes=sum(p.stat().st_size for p in (self.path, wal) if p.exists()),
            schema_version=MigrationRunner(self._database).applied()[-1],
            durability=_DURABILITY[self._synchronous],
        )

    def close(self) -> None:
        """Write the WAL back into the database and give up the lock."""
        self._database.close()
        self._file_lock.release()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (peewee.PeeweeException, apsw.Error) as exc:
            raise translated(exc) from exc
