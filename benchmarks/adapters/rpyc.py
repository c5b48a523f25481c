"""RPyC. Rows cross as tuples: every field read of a dict would be a round trip of its own."""

from benchmarks.accounts import as_dict
from benchmarks.adapter import PythonServer
from benchmarks.clients import Client


class _Client:
    def __init__(self, path: str) -> None:
        from rpyc.utils.factory import unix_connect

        self._connection = unix_connect(path)
        root = self._connection.root
        self._get, self._create = root.get, root.create
        self.consume = root.consume
        self.close = self._connection.close

    def get(self, account_id: str) -> object:
        return as_dict(self._get(account_id))

    def create(self, email: str) -> object:
        return as_dict(self._create(email))


class Rpyc(PythonServer):
    name = "rpyc"
    title = "RPyC"
    packages = ("rpyc",)

    def serve(self) -> None:
        import rpyc
        from rpyc.utils.server import ThreadedServer

        store = self.store()

        class Accounts(rpyc.Service):  # type: ignore[misc]  # untyped
            exposed_get = staticmethod(store.get)
            exposed_consume = staticmethod(store.consume)
            exposed_create = staticmethod(store.create)

        ThreadedServer(Accounts(), socket_path=str(self.socket_path)).start()

    def client(self) -> Client:
        return _Client(str(self.socket_path))
