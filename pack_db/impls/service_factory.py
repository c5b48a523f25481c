import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.exactly_once.peewee_reply_journal import PeeweeReplyJournal
from pack_db.impls.migrations.runner import MIGRATIONS
from pack_db.impls.repos.peewee_account_repo import PeeweeAccountRepo
from pack_db.impls.repos.peewee_ledger import PeeweeLedger
from pack_db.impls.repos.peewee_token_repo import PeeweeTokenRepo
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.reply_journal import ReplyJournal
from pack_db.interfaces.service_factory import AbstractServiceFactory
from pack_db.interfaces.services import SERVICES
from pack_db.interfaces.token_repo import TokenRepo


class ServiceFactory(AbstractServiceFactory):
    """Creates everything, lazily and once. The only singleton, and the only place of wiring.

    A package with services of its own subclasses it: it extends `services`, `migrations` and
    `get_services`, and is named by the setting SERVICE_FACTORY.

    Args:
        config: by default the environment and `.env`.
    """

    services: ClassVar[dict[str, type]] = SERVICES
    migrations: ClassVar[dict[str, Path]] = MIGRATIONS

    _instance: "ServiceFactory | None" = None
    _creating = threading.RLock()

    def __init__(self, config: Config | None = None) -> None:
        self._config = config
        self._database_connection: DatabaseConnection | None = None
        self._ledger: PeeweeLedger | None = None
        self._account_repo: AccountRepo | None = None
        self._token_repo: TokenRepo | None = None
        self._reply_journal: ReplyJournal | None = None

    @classmethod
    def get_instance(cls, config: Config | None = None) -> Self:
        """The factory of this process.

        Args:
            config: of the one that is made now, if there is none yet; by default the
                environment and `.env`.

        Raises:
            TypeError: it was made of another class.
        """
        with ServiceFactory._creating:
            if ServiceFactory._instance is None:
                ServiceFactory._instance = cls()
                if config is not None:
                    # Not by the constructor: a subclass may have one that takes nothing.
                    ServiceFactory._instance._config = config
            instance = ServiceFactory._instance
        if not isinstance(instance, cls):
            raise TypeError(f"the factory already is a {type(instance).__name__}")
        return instance

    @classmethod
    def reset(cls) -> None:
        """Close what was created and forget it; the next `get_instance` starts anew."""
        instance, ServiceFactory._instance = ServiceFactory._instance, None
        if instance is not None:
            instance.close()

    def get_config(self) -> Config:
        with self._creating:
            if self._config is None:
                self._config = Config()
            return self._config

    def get_database_connection(self) -> DatabaseConnection:
        with self._creating:
            if self._database_connection is None:
                self._database_connection = DatabaseConnection(self.get_config(), self.migrations)
            return self._database_connection

    def get_account_repo(self) -> AccountRepo:
        with self._creating:
            if self._account_repo is None:
                self._account_repo = PeeweeAccountRepo(
                    self.get_database_connection(), self._get_ledger()
                )
            return self._account_repo

    def get_token_repo(self) -> TokenRepo:
        with self._creating:
            if self._token_repo is None:
                self._token_repo = PeeweeTokenRepo(
                    self.get_database_connection(), self._get_ledger()
                )
            return self._token_repo

    def get_reply_journal(self) -> ReplyJournal:
        with self._creating:
            if self._reply_journal is None:
                self._reply_journal = PeeweeReplyJournal(self.get_database_connection())
            return self._reply_journal

    def get_services(self) -> Mapping[str, object]:
        return {"accounts": self.get_account_repo(), "tokens": self.get_token_repo()}

    def tidy_up(self) -> bool:
        return self._get_ledger().remove_some()

    def close(self) -> None:
        if self._database_connection is not None:
            self._database_connection.close()

    def _get_ledger(self) -> PeeweeLedger:
        with self._creating:
            if self._ledger is None:
                self._ledger = PeeweeLedger(self.get_database_connection())
            return self._ledger


def _renew_lock() -> None:
    # The thread that held it at the fork is not there in the child, and will not give it back.
    ServiceFactory._creating = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)
