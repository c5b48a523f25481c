"""The blocks of `Database`. As generators they would take longer than what they do."""

from contextlib import suppress
from types import TracebackType
from typing import Self

from pack_db.impls.database.database_engine import Engine
from pack_db.interfaces.database import Savepoint


class Transaction:
    """As `Database.transaction`; for one `with` statement."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_outermost = False

    def __enter__(self) -> Self:
        engine = self._engine
        engine.lock.__enter__()
        if engine.database.in_transaction():
            return self
        try:
            engine.begin()
            # So that Peewee's own blocks inside of this one are savepoints.
            engine.database.push_transaction(self)
            self._is_outermost = True
        except BaseException as exc:
            try:
                with suppress(*engine.driver_errors):
                    engine.roll_back()  # what interrupted this may have come right behind BEGIN
                if engine.database.top_transaction() is self:  # type: ignore[no-untyped-call]
                    engine.database.pop_transaction()  # type: ignore[no-untyped-call]
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
            if self._is_outermost:
                self._is_outermost = False
                engine.database.pop_transaction()  # type: ignore[no-untyped-call]
                if exc is None:
                    engine.commit()
                    return
                engine.roll_back()
                if isinstance(exc, engine.driver_errors):
                    raise exc
        except engine.driver_errors as failure:
            raise engine.failed(failure) from failure
        finally:
            engine.lock.__exit__(None, None, None)


class NestedTransaction(Transaction, Savepoint):
    """As `Database.savepoint`; for one `with` statement."""

    def __enter__(self) -> Self:
        super().__enter__()
        if not self._is_outermost:
            try:
                # Peewee's own gives each savepoint a random name, which has to be parsed anew.
                self._engine.execute("SAVEPOINT pack_db")
            except BaseException:
                self._engine.lock.__exit__(None, None, None)
                raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if not self._is_outermost:
                if exc is not None:
                    self.roll_back()
                if exc is None or self._engine.is_in_transaction():
                    self._engine.execute("RELEASE SAVEPOINT pack_db")
        except BaseException as failed:
            super().__exit__(type(failed), failed, failed.__traceback__)
            raise
        super().__exit__(exc_type, exc, traceback)

    def roll_back(self) -> None:
        engine = self._engine
        if self._is_outermost:
            engine.roll_back()
            engine.begin()
        # After a full disk or a lost connection the whole transaction is undone already.
        elif engine.is_in_transaction():
            engine.execute("ROLLBACK TO SAVEPOINT pack_db")
