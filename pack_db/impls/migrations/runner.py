import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import peewee
from playhouse.migrations import Migration, Runner

from pack_db.errors import ConfigurationError, WrongDatabase
from pack_db.impls.postgres.schema import SCHEMA

_OWN = "pack_db"
MIGRATIONS: dict[str, Path] = {_OWN: Path(__file__).parent}
"""Whose migrations -> the directory with the numbered scripts. They run in this order."""


class MigrationFailed(ConfigurationError):
    """A script of another package failed; `cause` says how."""

    code = "migration_failed"

    def __init__(self, message: str, cause: Exception) -> None:
        super().__init__(message)
        self.cause = cause


class MigrationRunner:
    """Brings the schema to the newest version, each numbered script in its own transaction.

    Each name in `migrations` counts for itself and has a history table of its own, so scripts of
    several packages may have the same numbers. A script is known as "0001_name", of another
    package than pack-db as "package/0001_name".

    The first script of a package may say `MODELS = [Note, ...]` instead of `up`. A database without
    the package gets the tables of these Peewee models as they are by then, and no later script.

    Raises:
        ConfigurationError: a directory has no scripts, or two of the same number.
    """

    def __init__(
        self, database: peewee.Database, migrations: Mapping[str, Path] = MIGRATIONS
    ) -> None:
        self._runners = {
            owner: _runner(database, owner, directory) for owner, directory in migrations.items()
        }

    def run(self) -> list[str]:
        """Apply what is pending; returns the names of the scripts applied.

        Raises:
            WrongDatabase: a newer pack-db, or a newer version of another package, made the
                database.
            MigrationFailed: a script of another package failed.
        """
        for owner, runner in self._runners.items():
            if unknown := [m.name for m in runner.status() if m.path is None]:
                maker = "pack-db" if owner == _OWN else owner
                raise WrongDatabase(
                    f"the database was made by a newer {maker} (it has {', '.join(unknown)}); "
                    f"upgrade {maker}, or restore a backup from before"
                )
        return [name for owner in self._runners for name in self._bring_up(owner)]

    def applied(self) -> list[str]:
        return [_full_name(*found) for found in self._all() if found[1].applied]

    def pending(self) -> list[str]:
        return [_full_name(*found) for found in self._all() if not found[1].applied]

    def _all(self) -> Iterator[tuple[str, Migration]]:
        for owner, runner in self._runners.items():
            for migration in runner.status():
                yield owner, migration

    def _bring_up(self, owner: str) -> list[str]:
        runner = self._runners[owner]
        scripts: list[Migration] = runner.status()
        pending = [migration for migration in scripts if not migration.applied]
        if pending == scripts:
            with _as_failed(owner, pending[0]):
                models = getattr(pending[0].load(), "MODELS", None)
                if models is not None:
                    _create_as_newest(runner, models, pending)
                    pending.clear()
        for migration in pending:
            with _as_failed(owner, migration):
                runner.up(migration.name)
        return [_full_name(owner, each) for each in scripts if not each.applied]


@contextmanager
def _as_failed(owner: str, migration: Migration) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        if owner == _OWN:
            raise
        raise MigrationFailed(
            f"migration {_full_name(owner, migration)} failed: "
            f"{type(exc).__name__}: {exc}; mend it and start again",
            exc,
        ) from exc


def _create_as_newest(
    runner: Runner, models: Sequence[type[peewee.Model]], scripts: Sequence[Migration]
) -> None:
    """Models are the newest schema, so a database that begins with them needs no later script."""
    database: peewee.Database = runner.database
    with runner.migrator.migration_context(True):
        with database.bind_ctx(models):
            database.create_tables(models, safe=False)
        runner.History.create_table()
        for migration in scripts:
            runner.History.create(name=migration.name)


def _runner(database: peewee.Database, owner: str, directory: Path) -> Runner:
    # Peewee looks for tables of PostgreSQL in the schema "public" unless it is told.
    schema = SCHEMA if isinstance(database, peewee.PostgresqlDatabase) else None
    runner = Runner(database, directory=str(directory), schema=schema)
    table_name = "schema_migrations" if owner == _OWN else f"schema_migrations_{owner}"
    runner.History = _history_model(database, table_name, schema)
    numbers = Counter(migration.idx for migration in runner.migrations())
    if not numbers:
        raise ConfigurationError(
            f"migrations of {owner}: no script such as 0001_tables.py is in {directory}; "
            "is it part of the installed package?"
        )
    if repeated := [number for number, count in numbers.items() if count > 1]:
        raise ConfigurationError(
            f"migrations of {owner}: two scripts in {directory} have the number {repeated[0]}; "
            "rename the later one"
        )
    return runner


def _full_name(owner: str, migration: Migration) -> str:
    name: str = migration.name
    return name if owner == _OWN else f"{owner}/{name}"


def _history_model(
    database: peewee.Database, table: str, of_schema: str | None
) -> type[peewee.Model]:
    # The runner's own model writes a datetime object, which APSW has no column type for.
    class History(database.Model):  # type: ignore[name-defined, misc]  # made at run time
        name = peewee.TextField(primary_key=True)
        applied = peewee.BigIntegerField(default=lambda: int(time.time()))  # Unix seconds

        class Meta:
            table_name = table
            schema = of_schema
            legacy_table_names = False

    return History
