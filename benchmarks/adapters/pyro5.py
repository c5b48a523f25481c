"""Pyro5 with msgpack, which is faster than its default serializer, and its thread pool."""

from benchmarks.accounts import Row, as_dict
from benchmarks.adapter import PythonServer
from benchmarks.clients import Client


class _Client:
    def __init__(self, path: str) -> None:
        import Pyro5.api

        Pyro5.config.SERIALIZER = "msgpack"
        self._proxy = Pyro5.api.Proxy(f"PYRO:accounts@./u:{path}")

    def get(self, account_id: str) -> object:
        return as_dict(self._proxy.get(account_id))

    def consume(self, account_id: str) -> int:
        return int(self._proxy.consume(account_id))

    def create(self, email: str) -> object:
        return as_dict(self._proxy.create(email))

    def close(self) -> None:
        self._proxy._pyroRelease()


class Pyro5(PythonServer):
    name = "pyro5"
    title = "Pyro5 (msgpack)"
    packages = ("Pyro5", "msgpack")

    def serve(self) -> None:
        import Pyro5.api

        Pyro5.config.SERIALIZER = "msgpack"
        store = self.store()

        @Pyro5.api.expose
        class Accounts:
            def get(self, account_id: str) -> Row:
                return store.get(account_id)

            def consume(self, account_id: str) -> int:
                return store.consume(account_id)

            def create(self, email: str) -> Row:
                return store.create(email)

        with Pyro5.api.Daemon(unixsocket=str(self.socket_path)) as daemon:
            daemon.register(Accounts(), "accounts")
            daemon.requestLoop()

    def client(self) -> Client:
        return _Client(str(self.socket_path))
