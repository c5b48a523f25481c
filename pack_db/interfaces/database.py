from abc import ABC, abstractmethod
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

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Any]:
        """Commit what the block wrote, durably, when it ends.

        A block inside another joins the outer one. Leaving the block raises `StorageError`
        when the commit fails; nothing is written then. It raises `OutcomeUnknown` when the
        server went away during the commit.
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

        Without a transaction around it, it is one.
        """

    @abstractmethod
    def check(self) -> str:
        """Look at the database's files; returns its health as `status` shows it.

        To be called about once a second, outside of a transaction. Never raises.
        """

    @abstractmethod
    def status(self) -> DatabaseStatus: ...
