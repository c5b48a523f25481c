import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.account_ids import AccountIds
from benchmarks.accounts import ACCOUNTS, PLAN, TOKENS
from benchmarks.adapter import Adapter, Way
from benchmarks.clients import AsyncClient, Client
from benchmarks.load import Load, coroutines
from benchmarks.loaded_database import LoadedDatabase
from benchmarks.workload import IN_FLIGHT, Durability, Operation
from pack_db.config import Config, ConfigKeys
from pack_db_client import Account, AsyncPackDb, CreateAccountInput, PackDb

_TIMEOUT_S = 30.0


class _Client:
    def __init__(self, db: PackDb) -> None:
        self._tokens = db.tokens
        self._accounts = db.accounts
        self.get = db.accounts.get_account
        self.close = db.close

    def consume(self, account_id: str) -> int:
        return self._tokens.consume_tokens(account_id, 1).token_remaining

    def create(self, email: str) -> Account:
        return self._accounts.create_account(_new_account(email))


class _AsyncClient:
    def __init__(self, db: AsyncPackDb) -> None:
        self._tokens = db.tokens
        self._accounts = db.accounts
        self.get = db.accounts.get_account
        self.close = db.close

    async def consume(self, account_id: str) -> int:
        return (await self._tokens.consume_tokens(account_id, 1)).token_remaining

    async def create(self, email: str) -> Account:
        return await self._accounts.create_account(_new_account(email))


class PackDbDaemon(Adapter):
    """pack-db as it is installed. It makes ids itself, so the accounts have others than those
    of the peers."""

    name = "pack_db"
    title = "pack-db"
    packages = ("pack-db", "apsw")

    def prepare(self) -> None:
        made = template(self.directory.parent)
        made.make()
        shutil.copy(made.path, self.database_path)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "pack_db_daemon", "serve"]

    def popen_options(self) -> dict[str, Any]:
        # No .env of the checkout is read, nor settings of whoever runs this.
        return {"env": {"PATH": os.environ["PATH"], **self._settings()}, "cwd": self.directory}

    def account_ids(self) -> AccountIds:
        return template(self.directory.parent).account_ids()

    def client(self) -> Client:
        return _Client(self._connect())

    def ways(self) -> Mapping[str, Way]:
        return {"asyncio": self._coroutines, "batches": self._batches}

    def _settings(self) -> dict[str, str]:
        return {
            ConfigKeys.DB_PATH: str(self.database_path),
            ConfigKeys.DB_SYNCHRONOUS: self.durability.synchronous,
            ConfigKeys.ZMQ_SOCKET_PATH: str(self.socket_path),
        }

    def _connect(self) -> PackDb:
        return PackDb(timeout_s=_TIMEOUT_S, config=Config(self._settings()))

    def _coroutines(self, load: Load) -> None:
        async def connect() -> AsyncClient:
            return _AsyncClient(AsyncPackDb(timeout_s=_TIMEOUT_S, config=Config(self._settings())))

        coroutines(connect, load)

    def _batches(self, load: Load) -> None:
        with self._connect() as db:
            calls: dict[Operation, tuple[Callable[..., object], Callable[[str], tuple[Any, ...]]]]
            calls = {
                Operation.GET: (db.accounts.get_account, lambda account_id: (account_id,)),
                Operation.CONSUME: (db.tokens.consume_tokens, lambda account_id: (account_id, 1)),
                Operation.CREATE: (
                    db.accounts.create_account,
                    lambda email: (_new_account(email),),
                ),
            }
            method, arguments = calls[load.operation]
            load.begin()
            while load.is_running():
                with db.batch() as batch:
                    results = [
                        batch.submit(method, *arguments(load.next_argument()))
                        for _ in range(IN_FLIGHT)
                    ]
                for result in results:
                    result.result()
                load.done(len(results))


class PackDbWithWorkers(PackDbDaemon):
    """The messages that wait at once are answered together, on SQLite in one commit."""

    name = "pack_db_workers"
    title = "pack-db, WORKERS=8"

    def __init__(self, directory: Path, durability: Durability, workers: int = 8) -> None:
        super().__init__(directory, durability)
        self._workers = workers

    def _settings(self) -> dict[str, str]:
        return super()._settings() | {ConfigKeys.WORKERS: str(self._workers)}


def template(run_directory: Path) -> LoadedDatabase:
    """What every daemon of a run starts from."""
    return LoadedDatabase(run_directory / "pack-db-template", ACCOUNTS)


def _new_account(email: str) -> CreateAccountInput:
    return CreateAccountInput(email=email, plan_name=PLAN, token_remaining=TOKENS)
