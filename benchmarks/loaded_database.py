from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.account_ids import AccountIdFile, AccountIds
from benchmarks.accounts import PLAN, TOKENS, TOPUP, email
from pack_db.config import Config, ConfigKeys
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput

_AT_ONCE = 20_000  # accounts in one transaction


class LoadedDatabase:
    """A database of pack-db with any number of accounts, and a file with their ids.

    Args:
        directory: may hold it already, from an earlier run.
    """

    def __init__(self, directory: Path, accounts: int) -> None:
        self.path = directory / f"{accounts}.db"
        self._ids_path = directory / f"{accounts}.ids"
        self._accounts = accounts

    def make(self) -> None:
        """Load the accounts through the repository, unless they are there already."""
        if self._ids_path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        # Not the singleton: nothing is shared with whoever else is in this process.
        with closing(ServiceFactory(Config({ConfigKeys.DB_PATH: str(self.path)}))) as factory:
            factory.get_database_connection().run_migrations()
            AccountIdFile.write(self._ids_path, self._created_ids(factory))

    def account_ids(self) -> AccountIds:
        return AccountIdFile(self._ids_path)

    def _created_ids(self, factory: ServiceFactory) -> Iterator[str]:
        database, repo = factory.get_database_connection(), factory.get_account_repo()
        for start in range(0, self._accounts, _AT_ONCE):
            with database.transaction():
                for number in range(start, min(start + _AT_ONCE, self._accounts)):
                    yield repo.create_account(_account(number)).id


def _account(number: int) -> CreateAccountInput:
    return CreateAccountInput(
        email=email(number), plan_name=PLAN, token_remaining=TOKENS, topup_remaining=TOPUP
    )
