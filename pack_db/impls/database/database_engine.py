from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import peewee

from pack_db.impls.compiled_query import Row
from pack_db.impls.database.forked_child import ParentsTurn
from pack_db.interfaces.entities.database_status import DatabaseStatus


class Engine(ABC):
    """What differs between the databases that Peewee speaks to; everything else is one code.

    A failure of the driver leaves it as the driver's own exception, one of `driver_errors`, and
    `failed` tells what it means.
    """

    driver_errors: ClassVar[tuple[type[Exception], ...]]
    database: peewee.Database
    location: str  # for people: where the database is
    turn: AbstractContextManager[Any]  # held by the thread that works on the connection

    shared_clock_ns: peewee.ColumnBase | None = None
    """Where several hosts share the database: the time by its own clock, in nanoseconds."""

    @abstractmethod
    def connect(self) -> None:
        """Make sure that this thread can work on the database.

        Raises:
            StorageError: it cannot be reached, or must not be written to.
        """

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """Run one statement; returns its rows."""

    def snapshot(self) -> AbstractContextManager[Any]:
        """As `Database.snapshot`."""
        return nullcontext()

    @abstractmethod
    def is_in_transaction(self) -> bool:
        """Whether the database itself has a transaction open, which it may have ended."""

    @abstractmethod
    def before_commit(self) -> None:
        """Look once more, before a transaction is committed, whether it may be.

        Raises:
            StorageError: it may not.
        """

    @abstractmethod
    def committed(self) -> None:
        """A transaction was committed."""

    @abstractmethod
    def failed(self, exc: Exception, *, in_commit: bool = False) -> Exception:
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
        self.turn = ParentsTurn(self.location, opened_by)
        # What a block around the fork would still do with its connection fails from here on.
        self.database._state.reset()  # type: ignore[attr-defined]
