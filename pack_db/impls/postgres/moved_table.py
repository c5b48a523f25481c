"""A table that is in a SQLite database and in a PostgreSQL one, and how its rows are read alike."""

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import apsw
import psycopg

from pack_db.errors import WrongDatabase
from pack_db.impls.sqlite import log_marker

_HISTORY = "schema_migrations"  # each database has its own; those of other packages end in "_name"

# PostgreSQL's type -> how a column is read so that it gives what SQLite holds.
_AS_IN_SQLITE = {
    "smallint": "{}",
    "integer": "{}",
    "bigint": "{}",
    "real": "{}",
    "double precision": "{}",
    "text": "{}",
    "character varying": "{}",
    "bytea": "{}",
    "boolean": "{}::integer",
}
_TEXTS = ("text", "character varying")

_SOURCE_TABLES = r"""
    SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
    ORDER BY name
"""
# Not the generated columns: PostgreSQL makes those itself.
_SOURCE_COLUMNS = "SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid"
_TARGET_COLUMNS = """
    SELECT attname, format_type(atttypid, NULL), pg_get_serial_sequence(%(table)s, attname)
    FROM pg_attribute
    WHERE attrelid = to_regclass(%(table)s)
        AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
_TARGET_PARENTS = """
    SELECT parent.relname FROM pg_constraint JOIN pg_class AS parent ON parent.oid = confrelid
    WHERE contype = 'f' AND conrelid = to_regclass(%(table)s) AND confrelid <> conrelid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedTable:
    name: str
    types: dict[str, str]  # column -> PostgreSQL's type
    key: list[str]  # what orders the rows: the primary key, or all columns where there is none
    sequences: dict[str, str]  # column -> the sequence that counts it up
    parents: list[str]  # tables that its rows refer to

    @property
    def quoted_name(self) -> str:
        return quoted(self.name)

    @property
    def columns(self) -> str:
        return ", ".join(map(quoted, self.types))

    def select_from_source(self, columns: str, where: str = "TRUE") -> str:
        """SQLite's query for the rows in the order of the key.

        Args:
            columns: what to select for each of `columns`.
        """
        order = self._order("BINARY")
        return f"SELECT {columns} FROM {self.quoted_name} WHERE {where} ORDER BY {order}"  # noqa: S608

    def select_from_target(self) -> str:
        """PostgreSQL's query for the same rows with the same values in the same order."""
        columns = ", ".join(_AS_IN_SQLITE[t].format(quoted(c)) for c, t in self.types.items())
        order = self._order('"C"')
        return f"SELECT {columns} FROM {self.quoted_name} ORDER BY {order}"  # noqa: S608

    def _order(self, by_bytes: str) -> str:
        """
        Args:
            by_bytes: the engine's collation that compares texts as bytes.
        """
        return ", ".join(
            quoted(column)
            + (f" COLLATE {by_bytes}" if self.types[column] in _TEXTS else "")
            + " NULLS FIRST"
            for column in self.key
        )


def moved_tables(source: apsw.Connection, target: "psycopg.Connection[Any]") -> list[MovedTable]:
    """All tables of the source but the histories of migrations, parents before their children.

    Raises:
        WrongDatabase: the target lacks a table or has one with other columns.
    """
    names = [name for (name,) in source.execute(_SOURCE_TABLES)]
    tables = {
        name: _table(name, source, target)
        for name in names
        if name not in (_HISTORY, log_marker.TABLE) and not name.startswith(f"{_HISTORY}_")
    }
    graph = TopologicalSorter({name: table.parents for name, table in tables.items()})
    try:
        order = list(graph.static_order())
    except CycleError as exc:
        raise WrongDatabase(
            f"the tables {', '.join(exc.args[1])} refer to each other in a circle, so none can be "
            "filled first; take one of the foreign keys away for the time of the move"
        ) from exc
    return [tables[name] for name in order if name in tables]


def quoted(name: str) -> str:
    """A name as both engines take it."""
    return '"' + name.replace('"', '""') + '"'


def _table(name: str, source: apsw.Connection, target: "psycopg.Connection[Any]") -> MovedTable:
    table = {"table": quoted(name)}
    found = target.execute(_TARGET_COLUMNS, table).fetchall()
    types = {column: type_ for column, type_, _ in found}
    if not types:
        raise WrongDatabase(
            f"the target has no table {name}; does SERVICE_FACTORY name the factory whose "
            "migrations made it?"
        )
    columns = list(source.execute(_SOURCE_COLUMNS, (name,)))
    names = [column for column, _ in columns]
    if differing := sorted(set(names) ^ set(types)):
        raise WrongDatabase(
            f"the table {name} has the column {differing[0]} only in the "
            f"{'source' if differing[0] in names else 'target'}; "
            "its migrations must make the same columns for both engines"
        )
    for column in names:
        if types[column] not in _AS_IN_SQLITE:
            raise WrongDatabase(
                f"the column {column} of the table {name} is a {types[column]}, whose values "
                "cannot be compared with SQLite's; move this table by hand, then drop it there"
            )
    key = [column for column, _ in sorted((c for c in columns if c[1]), key=lambda c: c[1])]
    return MovedTable(
        name=name,
        types={column: types[column] for column in names},
        key=key or names,
        sequences={column: sequence for column, _, sequence in found if sequence},
        parents=[parent for (parent,) in target.execute(_TARGET_PARENTS, table)],
    )
