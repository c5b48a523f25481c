from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pack_db.interfaces.entities.database_status import DatabaseStatus


class Savepoint(AbstractContextManager[Any]):
    """The block of `Database.savepoint`."""

    @abstractmethod
    def roll_back(self) -> None:
        """Undo what the block wrote so far; it goes on."""


class Database(ABC):
    """The database that all repositories share, as those who run them see it.

    What is written inside one of its blocks is there whole or, if the block raises, not at all.
    Blocks may be inside each other in any order.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """For people: the path of the file, or the server and the name, without a password."""

    @abstractmethod
    def run_migrations(self) -> list[str]:
        """Bring the schema to the newest version; returns the names of the scripts applied.

        Raises:
            WrongDatabase: a newer pack-db, or a newer version of another package, made the
                database.
            ConfigurationError: a migration of another package is missing or failed.
        """

    @abstractmethod
    def applied_and_pending(self) -> tuple[list[str], list[str]]:
        """Names of the migrations that the database has, and of those it lacks.

        Raises:
            ConfigurationError: there are no migrations where they should be.
            StorageError: the database cannot be read.
        """

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement; returns its rows.

        Outside of a transaction a write gets one of its own, with all that belongs to one.

        Raises:
            ConstraintViolated: a row would break a constraint of its table.
            StorageError: the database failed.
        """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]:
        """Commit what the block wrote, durably, when it ends.

        A block inside another joins the outer one. Leaving the block raises `StorageError`
        when the commit fails; nothing is written then. It raises `OutcomeUnknown` when the
        server went away during the commit.
        """

    @abstractmethod
    def background_transaction(self, ended: Callable[[], object]) -> AbstractContextManager[Any]:
        """As `transaction`, but a thread commits when the block has ended, if the engine can.

        Until `finish_commit`, which has to follow, queries go on and see what was there before;
        whatever writes waits for the commit.

        Args:
            ended: called, by any thread, when `finish_commit` need not wait.
        """

    @abstractmethod
    def finish_commit(self) -> None:
        """Wait for the commit of `background_transaction`.

        Raises:
            StorageError: it failed; nothing was written.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """Make several queries faster where the engine can: all see what the first one saw.

        Inside a transaction, or another of its kind, it joins that one. It is not for writing; a
        write in the block is a transaction of its own, and ends this.
        """

    @abstractmethod
    def savepoint(self) -> Savepoint:
        """Undo only what the block wrote if it raises; the transaction around it goes on.

        Without a transaction around it, it is one. What it returns serves any number of blocks.
        """

    @abstractmethod
    def check(self) -> str:
        """Look at the database's files; returns its health as `status` shows it.

        To be called about once a second, outside of a transaction. Never raises.
        """

    @abstractmethod
    def status(self) -> DatabaseStatus:
        """How the database is: its engine, sizes, schema, durability and health."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect. On SQLite, write the WAL back into the database and give up the lock."""
