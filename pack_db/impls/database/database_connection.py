import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import peewee

from pack_db.config import Config
from pack_db.errors import ConfigurationError, StorageError
from pack_db.impls.compiled_query import CompiledQuery, Row, is_query
from pack_db.impls.database.bound_models import database_of_models
from pack_db.impls.database.database_engine import Engine
from pack_db.impls.database.transaction import Transaction
from pack_db.impls.migrations.runner import MIGRATIONS, MigrationFailed, MigrationRunner
from pack_db.interfaces.database import Database, Savepoint
from pack_db.interfaces.entities.database_status import DatabaseStatus


class DatabaseConnection(Database):
    """The one way to the database for all repositories, open from construction to `close`.

    On SQLite it is one connection on which threads take turns, and it holds the database's lock
    file all that time, so no other process opens the database through pack-db. On PostgreSQL
    each thread has a connection of its own, made when it is needed and made anew when it broke.

    In a forked child it refuses everything with a `StorageError`, and the parent keeps all it has.

    Args:
        migrations: as `ServiceFactory.migrations`.

    Raises:
        ConfigurationError: PostgreSQL is configured, and its driver is not installed.
        DatabaseInUse: another process has the database; the message names it.
        WrongDatabase: the file is not pack-db's.
        StorageCorrupt: it is damaged; a large file is not read whole to find that out.
        StorageError: the database cannot be opened or reached, or not be written to.
    """

    def __init__(self, config: Config, migrations: Mapping[str, Path] = MIGRATIONS) -> None:
        self._migrations = migrations
        self._engine = _engine(config)
        self._database = self._engine.database
        self._transaction = Transaction(self._engine, has_savepoint=False)
        self._savepoint = Transaction(self._engine, has_savepoint=True)
        self._of_models = database_of_models(self._engine)
        self._opened_by = os.getpid()
        _open.add(self)

    @property
    def location(self) -> str:
        return self._engine.location

    @property
    def shared_clock_ns(self) -> peewee.ColumnBase | None:
        """In a query, the engine's own clock; None where only this host has the database."""
        return self._engine.shared_clock_ns

    def run_migrations(self) -> list[str]:
        with self._engine.lock:
            try:
                self._engine.connect()
                with self._engine.migrating():
                    return MigrationRunner(self._database, self._migrations).run()
            except MigrationFailed as failed:
                if isinstance(error := self._engine.failed(failed.cause), StorageError):
                    raise error from failed
                raise
            except self._engine.driver_errors as exc:
                raise self._engine.failed(exc) from exc

    def applied_and_pending(self) -> tuple[list[str], list[str]]:
        with self._engine.lock:
            try:
                self._engine.connect()
                runner = MigrationRunner(self._database, self._migrations)
                return runner.applied(), runner.pending()
            except self._engine.driver_errors as exc:
                raise self._engine.failed(exc) from exc

    def compile(self, query: peewee.Node) -> CompiledQuery:
        """Let Peewee write `query` in this database's SQL; it runs as `execute` runs it."""
        sql, values = self._database.get_sql_context().sql(query).query()  # type: ignore[no-untyped-call]
        is_write = isinstance(query, (peewee.Insert, peewee.Update, peewee.Delete))
        return CompiledQuery(self._engine, sql, values, is_write=is_write)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._engine.execute(sql, values, is_write=not is_query(sql))

    def bind(self, *models: type[peewee.Model]) -> None:
        """Let ordinary queries of Peewee models run here, as `execute` runs them.

        So `Note.select()` and `Note.create(...)` use this connection and the transaction that is
        open, and raise what `execute` raises. Peewee builds each of them anew, in 100-200 µs.
        """
        self._of_models.bind(models)

    def transaction(self) -> AbstractContextManager[Any]:
        return self._transaction

    def background_transaction(self, ended: Callable[[], object]) -> AbstractContextManager[Any]:
        engine = self._engine
        return Transaction(engine, has_savepoint=False, commit=lambda: engine.start_commit(ended))

    def finish_commit(self) -> None:
        with self._engine.lock:
            self._engine.finish_commit()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._engine.lock:
            if self._database.in_transaction():
                yield
                return
            try:
                with self._engine.snapshot():
                    yield
            except self._engine.driver_errors as exc:
                raise self._engine.failed(exc) from exc

    def savepoint(self) -> Savepoint:
        return self._savepoint

    def check(self) -> str:
        with self._engine.lock:
            return self._engine.check()

    def status(self) -> DatabaseStatus:
        with self._engine.lock:
            return self._engine.status(self._schema_version())

    def close(self) -> None:
        self._engine.close()

    def leave_to_parent(self) -> None:
        """In a forked child: let go of everything, so that the parent may keep it."""
        self._engine.leave_to_parent(self._opened_by)

    def _schema_version(self) -> str:
        try:
            self._engine.connect()
            return MigrationRunner(self._database).applied()[-1]
        except StorageError:
            return "unreadable"
        except self._engine.driver_errors:
            return "unreadable"  # the status has to say so of a broken database, too


def _engine(config: Config) -> Engine:
    # Imported here: each driver is loaded only where it is used.
    if config.database_url is not None:
        try:
            from pack_db.impls.postgres.postgres_engine import PostgresEngine
        except ImportError as exc:
            raise ConfigurationError(
                f"DB_URL needs psycopg, which is not there ({exc}); pip install 'pack-db[postgres]'"
            ) from exc
        return PostgresEngine(config.database_url, config.synchronous)
    from pack_db.impls.sqlite.sqlite_engine import SqliteEngine

    return SqliteEngine(
        config.database_path,
        config.synchronous,
        makes_directory=config.makes_database_directory,
    )


_open: WeakSet[DatabaseConnection] = WeakSet()


def _leave_all_to_parent() -> None:
    for database in list(_open):
        database.leave_to_parent()


# Costs nothing where nobody forks, unlike asking for the process's id in each call.
os.register_at_fork(after_in_child=_leave_all_to_parent)
