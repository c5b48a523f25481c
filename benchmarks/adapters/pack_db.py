import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from benchmarks.accounts import PLAN, TOKENS
from benchmarks.adapter import Adapter
from benchmarks.clients import AsyncClient, Client
from benchmarks.loaded_database import LoadedDatabase
from benchmarks.workload import Load, Operation
from pack_db.config import Config, ConfigKeys
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.token_repo import TokenRepo
from pack_db_client import Account, AsyncPackDb, CreateAccountInput, PackDb

_TIMEOUT_S = 30.0


class _Client:
    """The same for the repositories and for what calls them over a socket."""

    def __init__(self, accounts: AccountRepo, tokens: TokenRepo, close: Callable[[], None]) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self.get = accounts.get_account
        self.close = close

    def consume(self, account_id: str) -> int:
        return self._tokens.consume_tokens(account_id, 1).token_remaining

    def create(self, email: str) -> Account:
        return self._accounts.create_account(_new_account(email))


class _RemoteClient(_Client):
    def __init__(self, db: PackDb) -> None:
        super().__init__(db.accounts, db.tokens, db.close)
        self._db = db

    def batch(self, operation: Operation, arguments: Sequence[str]) -> object:
        kinds: dict[Operation, tuple[Callable[..., object], Callable[[str], tuple[Any, ...]]]]
        kinds = {
            Operation.GET: (self._accounts.get_account, lambda text: (text,)),
            Operation.CONSUME: (self._tokens.consume_tokens, lambda text: (text, 1)),
            Operation.CREATE: (self._accounts.create_account, lambda text: (_new_account(text),)),
        }
        method, given = kinds[operation]
        with self._db.batch() as batch:
            results = [batch.submit(method, *given(text)) for text in arguments]
        return [result.result() for result in results]


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


class PackDbInProcess(Adapter):
    """The repositories without a socket. pack-db makes ids itself, so the accounts have others
    than those of the peers."""

    name = "pack_db_in_process"
    title = "pack-db in process"
    packages: ClassVar[Sequence[str]] = ("pack-db", "apsw")
    loads: ClassVar[Sequence[Load]] = (Load.ONE_CLIENT,)

    def prepare(self) -> None:
        template = self.template()
        template.make()
        shutil.copy(template.path, self.database_path)

    def template(self) -> LoadedDatabase:
        """What all of a run start from."""
        return LoadedDatabase(self.directory.parent / "pack-db-template")

    def account_ids(self) -> Sequence[str]:
        return self.template().account_ids()

    def client(self) -> Client:
        factory = ServiceFactory(Config({ConfigKeys.DB_PATH: str(self.database_path)}))
        database = factory.get_database_connection()
        return _Client(factory.get_account_repo(), factory.get_token_repo(), database.close)


class PackDbDaemon(PackDbInProcess):
    """pack-db as it is installed."""

    name = "pack_db"
    title = "pack-db"
    loads = tuple(Load)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "pack_db_daemon", "serve"]

    def popen_options(self) -> dict[str, Any]:
        # No .env of the checkout is read, nor settings of whoever runs this.
        python = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        return {"env": python | self.settings(), "cwd": self.directory}

    def client(self) -> Client:
        return _RemoteClient(PackDb(timeout_s=_TIMEOUT_S, config=Config(self.settings())))

    async def async_client(self) -> AsyncClient:
        return _AsyncClient(AsyncPackDb(timeout_s=_TIMEOUT_S, config=Config(self.settings())))

    def settings(self) -> dict[str, str]:
        return {
            ConfigKeys.DB_PATH: str(self.database_path),
            ConfigKeys.ZMQ_SOCKET_PATH: str(self.socket_path),
        }


class PackDbOneWorker(PackDbDaemon):
    """Each message has a commit of its own."""

    name = "pack_db_one_worker"
    title = "pack-db, WORKERS=1"

    def settings(self) -> dict[str, str]:
        return super().settings() | {ConfigKeys.WORKERS: "1"}


class PackDbForgetful(PackDbDaemon):
    """Without exactly-once, to see what that costs."""

    name = "pack_db_forgetful"
    title = "pack-db without its journal"

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.forgetful_daemon"]


def _new_account(email: str) -> CreateAccountInput:
    return CreateAccountInput(email=email, plan_name=PLAN, token_remaining=TOKENS)
