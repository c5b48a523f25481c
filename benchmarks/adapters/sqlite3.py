"""No server: the client process opens the SQLite file itself, by the standard library."""

from benchmarks.account_store import AccountStore
from benchmarks.accounts import as_dict
from benchmarks.adapter import Adapter
from benchmarks.clients import Client
from benchmarks.workload import Load


class _Client:
    def __init__(self, store: AccountStore) -> None:
        self._store = store
        self.consume = store.consume
        self.close = store.close

    def get(self, account_id: str) -> object:
        return as_dict(self._store.get(account_id))

    def create(self, email: str) -> object:
        return as_dict(self._store.create(email))


class PreparedSqlite(Adapter):
    name = "sqlite3"
    title = "sqlite3 in process, prepared"
    loads = (Load.ONE_CLIENT, Load.CLIENT_PROCESSES, Load.MIXED)

    def client(self) -> Client:
        return _Client(AccountStore(self.database_path))
