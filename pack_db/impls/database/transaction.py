"""The blocks of `Database`. As generators they would take longer than what they do."""

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from pack_db.impls.database.database_engine import Engine
from pack_db.interfaces.database import Savepoint


class Transaction(Savepoint):
    """As `Database.transaction` and `Database.savepoint`; one object is for all blocks.

    How many of them a thread is in is what Peewee knows, whose own blocks may be among them.

    Args:
        has_savepoint: a block inside of another can be undone alone.
        commit: what commits instead of the engine's.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        has_savepoint: bool,
        commit: Callable[[], None] | None = None,
    ) -> None:
        self._engine = engine
        self._has_savepoint = has_savepoint
        self._commit = commit

    def __enter__(self) -> Self:
        engine = self._engine
        engine.lock.__enter__()
        try:
            if not engine.database.in_transaction():
                engine.begin()
            elif self._has_savepoint:
                # Peewee's own gives each savepoint a random name, which has to be parsed anew.
                engine.run("SAVEPOINT pack_db", ())
            engine.database.push_transaction(self)
        except BaseException as exc:
            try:
                if not engine.database.in_transaction():
                    with suppress(*engine.driver_errors):
                        engine.roll_back()  # what interrupted this may have come behind BEGIN
            finally:
                engine.lock.__exit__(None, None, None)
            if isinstance(exc, engine.driver_errors):
                raise engine.failed(exc) from exc
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        engine = self._engine
        try:
            if not engine.database.in_transaction():
                engine.lock.__enter__()  # of a forked child, which refuses
            engine.database.pop_transaction()  # type: ignore[no-untyped-call]
            if engine.database.in_transaction():
                if self._has_savepoint:
                    self._end_savepoint(exc)
            elif exc is None:
                (self._commit or engine.commit)()
            else:
                engine.roll_back()
                if isinstance(exc, engine.driver_errors):
                    raise exc
        except engine.driver_errors as failure:
            raise engine.failed(failure) from failure
        finally:
            engine.lock.__exit__(None, None, None)

    def roll_back(self) -> None:
        engine = self._engine
        if engine.database.transaction_depth() == 1:
            engine.roll_back()
            engine.begin()
        # After a full disk or a lost connection the whole transaction is undone already.
        elif engine.is_in_transaction():
            engine.execute("ROLLBACK TO SAVEPOINT pack_db")

    def _end_savepoint(self, exc: BaseException | None) -> None:
        if exc is not None:
            if not self._engine.is_in_transaction():
                return
            self._engine.run("ROLLBACK TO SAVEPOINT pack_db", ())
        self._engine.run("RELEASE SAVEPOINT pack_db", ())
