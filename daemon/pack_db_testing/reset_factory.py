from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.database import Database
from pack_db_testing.reset_service import RESET_SERVICE, ResetService

_Statement = tuple[str, tuple[Any, ...]]

_JOURNAL = "reply_journal"  # no service sees it, and clients that are open go on with it
# The counters of AUTOINCREMENT come last, as what is inserted counts them up.
_TABLES = """
    SELECT name FROM pragma_table_list
    WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT IN (?, 'sqlite_schema')
    ORDER BY name = 'sqlite_sequence'
"""


class ResetFactory(ServiceFactory):
    services: ClassVar[dict[str, type]] = ServiceFactory.services | {RESET_SERVICE: ResetService}

    def get_services(self) -> Mapping[str, object]:
        reset = DatabaseReset(self.get_database_connection())
        return {**super().get_services(), RESET_SERVICE: reset}


class DatabaseReset(ResetService):
    """On SQLite. To start the daemon anew on a new database would take a hundred times as long."""

    def __init__(self, database: Database) -> None:
        self._database = database
        tables = [name for (name,) in database.execute(_TABLES, [_JOURNAL])]
        # All of them at first, and in two turns: a trigger may write into what was empty already.
        self._statements = [_emptied(table) for table in 2 * tables]
        for table in tables:
            self._statements += [_emptied(table), *self._filled(table)]

    def reset(self) -> None:
        with self._database.transaction():
            self._database.execute("PRAGMA defer_foreign_keys = ON")
            for sql, values in self._statements:
                self._database.execute(sql, values)

    def _filled(self, table: str) -> Iterator[_Statement]:
        # Without the columns that SQLite generates.
        found = self._database.execute("SELECT name FROM pragma_table_info(?)", [table])
        columns = ", ".join(f'"{name}"' for (name,) in found)
        places = ", ".join("?" for _ in found)
        for row in self._database.execute(f'SELECT {columns} FROM "{table}"'):  # noqa: S608
            yield f'INSERT INTO "{table}" ({columns}) VALUES ({places})', row  # noqa: S608


def _emptied(table: str) -> _Statement:
    return f'DELETE FROM "{table}"', ()  # noqa: S608
