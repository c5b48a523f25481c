from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import peewee

if TYPE_CHECKING:
    from pack_db.impls.database.database_engine import Engine

Row = tuple[Any, ...]

_QUERIES = ("SELECT", "PRAGMA")  # the latter is SQLite's, and some change nothing in a transaction


class _Name(str):
    """Marks, among the values that Peewee collects, where a parameter goes."""


def parameter(name: str) -> peewee.Value:
    """A place in a query for a value given when it runs."""
    return peewee.Value(_Name(name), converter=False)


def is_query(sql: str) -> bool:
    """Whether a statement is known to write nothing."""
    return sql.lstrip()[:6].upper() in _QUERIES


class CompiledQuery:
    """A query that Peewee wrote once; called with its parameters, it runs and returns its rows.

    Peewee takes 100-200 µs to build a query, the driver 2-10 µs to run it.
    """

    def __init__(
        self, engine: "Engine", sql: str, values: Sequence[Any], *, is_write: bool
    ) -> None:
        self._engine = engine
        self._sql = sql
        self._is_write = is_write
        self._constants = {n: v for n, v in enumerate(values) if type(v) is not _Name}
        self._places = [v if type(v) is _Name else n for n, v in enumerate(values)]

    def __call__(self, **parameters: Any) -> list[Row]:
        given: dict[Any, Any] = {**parameters, **self._constants} if self._constants else parameters
        values = [*map(given.__getitem__, self._places)]
        engine = self._engine
        with engine.lock:
            try:
                if self._is_write and not engine.database.in_transaction():
                    return engine.write_alone(self._sql, values)
                # Peewee's execute_sql would do the same in three times the time.
                return list(engine.run(self._sql, values))
            except engine.driver_errors as exc:
                raise engine.failed(exc) from exc
