from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pack_db.config import Config
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.database import Database
from pack_db.interfaces.reply_journal import ReplyJournal
from pack_db.interfaces.token_repo import TokenRepo


class AbstractServiceFactory(ABC):
    """Creates everything, lazily and once; what the daemon and the commands are given.

    The getters raise `ConfigurationError` for a wrong setting, and `StorageError` from the
    database on. Threads may ask at once.
    """

    services: ClassVar[dict[str, type]]
    """Service name -> interface."""

    migrations: ClassVar[dict[str, Path]]
    """Package -> the directory of its numbered migration scripts, in the order to run them."""

    @abstractmethod
    def get_config(self) -> Config:
        """The settings, read once."""

    @abstractmethod
    def get_database_connection(self) -> Database:
        """Open the database; on SQLite, its lock is held from then on until `close`."""

    @abstractmethod
    def get_account_repo(self) -> AccountRepo:
        """The accounts in this database."""

    @abstractmethod
    def get_token_repo(self) -> TokenRepo:
        """Their tokens and the ledger."""

    @abstractmethod
    def get_reply_journal(self) -> ReplyJournal:
        """What makes writes of retried messages be done once."""

    @abstractmethod
    def get_services(self) -> Mapping[str, object]:
        """Service name -> implementation, a row for each of `services`."""

    @abstractmethod
    def tidy_up(self) -> bool:
        """Remove, in a step of about a millisecond, what is kept for no longer; True if there may
        be more. Whoever serves the database calls it now and then."""

    @abstractmethod
    def close(self) -> None:
        """Close the database, if it was opened; it is for good."""
