import time
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from pack_db.errors import WrongDatabase

_DIRECTORY = Path(__file__).with_name("migrations")


class MigrationRunner:
    """Brings the schema to the newest version, each numbered script in its own transaction."""

    def __init__(self, database: peewee.Database) -> None:
        self._runner = Runner(database, directory=str(_DIRECTORY))
        self._runner.History = _history_model(database)

    def run(self) -> list[str]:
        """Apply what is pending; returns the names of the scripts applied.

        Raises:
            WrongDatabase: a newer pack-db made the database.
        """
        unknown = [m.name for m in self._runner.status() if m.path is None]
        if unknown:
            raise WrongDatabase(
                f"the database was made by a newer pack-db (it has {', '.join(unknown)}); "
                "upgrade pack-db, or restore a backup from before"
            )
        names: list[str] = self._runner.up()
        return names

    def applied(self) -> list[str]:
        return [m.name for m in self._runner.status() if m.applied]

    def pending(self) -> list[str]:
        return [m.name for m in self._runner.status() if not m.applied]


def _history_model(database: peewee.Database) -> type[peewee.Model]:
    # The runner's own model writes a datetime object, which APSW has no column type for.
    class History(database.Model):  # type: ignore[name-defined, misc]  # made at run time
        name = peewee.TextField(primary_key=True)
        applied = peewee.BigIntegerField(default=lambda: int(time.time()))  # Unix seconds

        class Meta:
            table_name = "schema_migrations"
            legacy_table_names = False

    return History
