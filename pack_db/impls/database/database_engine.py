from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import peewee

from pack_db.impls.compiled_query import CompiledQuery, Row
from pack_db.impls.database.forked_child import ParentsLock
from pack_db.interfaces.entities.database_status import DatabaseStatus


class Engine(ABC):
    """What differs between the databases that Peewee speaks to; everything else is one code.

    A failure of the driver leaves it as the driver's own exception, one of `driver_errors`, and
    `failed` tells what it means.
    """

    driver_errors: ClassVar[tuple[type[Exception], ...]]
    database: peewee.Database
    location: str  # for people: where the database is
    lock: AbstractContextManager[Any]  # held by the thread that works on the connection
    run: Callable[[str, Sequence[Any]], Iterable[Row]]  # one statement, as the driver does it
    cursor: Callable[[str, Sequence[Any]], Any]  # the same, for what else the driver knows of it

    shared_clock_ns: peewee.ColumnBase | None = None
    """Where several hosts share the database: the time by its own clock, in nanoseconds."""

    @abstractmethod
    def connect(self) -> None:
        """Make sure that this thread can work on the database.

        Raises:
            StorageError: it cannot be reached, or must not be written to.
        """

    def execute(self, sql: str, values: Sequence[Any] = (), *, is_write: bool = False) -> list[Row]:
        """Run one statement; returns its rows.

        Args:
            is_write: outside of a transaction it gets one of its own, with all that belongs to one.

        Raises:
            ConstraintViolated: a row would break a constraint of its table.
            StorageError: the database failed.
        """
        return CompiledQuery(self, sql, values, is_write=is_write)()

    def write_alone(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Run one statement in a transaction of its own; a failure is the driver's own."""
        self.begin()
        try:
            rows = list(self.run(sql, values))
        except BaseException:
            self.roll_back()
            raise
        self.commit()
        return rows

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction."""

    @abstractmethod
    def commit(self) -> None:
        """Commit it, after a last look whether it may be; if that fails, nothing was written.

        Raises:
            StorageError: it may not be, or the database failed.
            OutcomeUnknown: the server went away during the commit.
        """

    def start_commit(self, ended: Callable[[], object]) -> None:
        """As `commit`, in a thread where the engine can; `finish_commit` says what came of it."""
        self.commit()
        ended()

    def finish_commit(self) -> None:  # noqa: B027  # there is nothing to wait for
        """As `Database.finish_commit`."""

    @abstractmethod
    def roll_back(self) -> None:
        """Undo what the transaction wrote, if the database has not done so by itself."""

    def snapshot(self) -> AbstractContextManager[Any]:
        """As `Database.snapshot`."""
        return nullcontext()

    @abstractmethod
    def is_in_transaction(self) -> bool:
        """Whether the database itself has a transaction open, which it may have ended."""

    @abstractmethod
    def failed(self, exc: Exception) -> Exception:
        """What a failure means to those above; a mistake of our own stays itself."""

    def migrating(self) -> AbstractContextManager[Any]:
        """Held while the schema is changed, by one process at a time."""
        return nullcontext()

    @abstractmethod
    def check(self) -> str:
        """As `Database.check`."""

    @abstractmethod
    def status(self, schema_version: str) -> DatabaseStatus:
        """As `Database.status`."""

    @abstractmethod
    def close(self) -> None:
        """End all connections and give up what was locked."""

    def leave_to_parent(self, opened_by: int) -> None:
        """In a forked child: refuse to work, and never touch what the parent has open.

        Args:
            opened_by: the process that has it.
        """
        self.lock = ParentsLock(self.location, opened_by)
        # What a block around the fork would still do with its connection fails from here on.
        self.database._state.reset()  # type: ignore[attr-defined]
