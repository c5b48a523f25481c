"""Ordinary Peewee on the one connection: `Note.select()`, `Note.create(...)`, `note.save()`."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn, cast

import peewee

from pack_db.impls.compiled_query import Row, is_query
from pack_db.impls.database.database_engine import Engine
from pack_db.impls.database.transaction import Transaction


def database_of_models(engine: Engine) -> peewee.Database:
    """The engine's database as its models see it.

    Each statement runs as by `Engine.execute`: on the engine's connection, in its transaction or
    one of its own, under its lock, with its errors.
    """
    kind = type(engine.database)
    view: Any = object.__new__(type(f"{kind.__name__}OfModels", (_ThroughEngine, kind), {}))
    vars(view).update(vars(engine.database), engine=engine)
    return cast(peewee.Database, view)


class _Result:
    """What a statement gave, as Peewee reads it off a cursor; all of it, while it had the lock."""

    def __init__(self, engine: Engine, cursor: Any) -> None:
        database: Any = engine.database
        self.description = None
        with suppress(*engine.driver_errors):  # as there is none where there are no rows
            self.description = cursor.description
        self._rows = iter(cursor.fetchall() if self.description else ())
        self.rowcount = database.rows_affected(cursor)
        if not database.returning_clause:
            self.lastrowid = database._last_insert_rowid(cursor)

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        return list(self._rows)

    def close(self) -> None:
        pass


class _ThroughEngine:
    engine: Engine

    def execute_sql(self, sql: str, params: Sequence[Any] | None = None) -> _Result:
        engine = self.engine
        is_write = not is_query(sql)
        with engine.lock:
            if is_write and not engine.database.in_transaction():
                with self.transaction():
                    return self.execute_sql(sql, params)
            try:
                return _Result(engine, engine.cursor(sql, params or ()))
            except engine.driver_errors as exc:
                raise engine.failed(exc) from exc

    def rows_affected(self, cursor: Any) -> int:
        return cast(int, getattr(cursor, "cursor", cursor).rowcount)

    def _last_insert_rowid(self, cursor: _Result) -> object:
        return cursor.lastrowid

    def atomic(self, *_: object) -> Transaction:
        return Transaction(self.engine, has_savepoint=True)

    def transaction(self, *_: object) -> Transaction:
        return Transaction(self.engine, has_savepoint=False)

    savepoint = atomic

    def connect(self, *_: object, **__: object) -> NoReturn:
        raise peewee.InterfaceError("pack-db keeps the connection; queries need no other")

    connection_context = manual_commit = connect

    def close(self) -> bool:
        return False
