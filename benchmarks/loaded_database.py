from collections.abc import Sequence
from pathlib import Path

from benchmarks.accounts import ACCOUNTS, PLAN, TOKENS, TOPUP, email
from pack_db.config import Config, ConfigKeys
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput


class LoadedDatabase:
    """A database of pack-db with all accounts, and a file with their ids."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "accounts.db"
        self._ids_path = directory / "ids"

    def make(self) -> None:
        """Load the accounts through the repository, unless they are there already."""
        if self._ids_path.exists():
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        factory = ServiceFactory(Config({ConfigKeys.DB_PATH: str(self.path)}))
        database = factory.get_database_connection()
        try:
            database.run_migrations()
            repo = factory.get_account_repo()
            with database.transaction():
                ids = [repo.create_account(_account(number)).id for number in range(ACCOUNTS)]
        finally:
            database.close()
        self._ids_path.write_text("\n".join(ids))

    def account_ids(self) -> Sequence[str]:
        return self._ids_path.read_text().split()


def _account(number: int) -> CreateAccountInput:
    return CreateAccountInput(
        email=email(number), plan_name=PLAN, token_remaining=TOKENS, topup_remaining=TOPUP
    )
