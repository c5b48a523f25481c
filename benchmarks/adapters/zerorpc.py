"""zerorpc: gevent, ZeroMQ and msgpack."""

from collections.abc import Mapping

from benchmarks.accounts import Row, as_dict
from benchmarks.adapter import Way
from benchmarks.clients import Client
from benchmarks.load import Load
from benchmarks.python_server import PythonServer
from benchmarks.workload import IN_FLIGHT


class _Client:
    def __init__(self, endpoint: str) -> None:
        import zerorpc

        self._client = zerorpc.Client(endpoint, timeout=30)
        self.close = self._client.close

    def get(self, account_id: str) -> object:
        return as_dict(self._client.get(account_id))

    def consume(self, account_id: str) -> int:
        return int(self._client.consume(account_id))

    def create(self, email: str) -> object:
        return as_dict(self._client.create(email))


class Zerorpc(PythonServer):
    name = "zerorpc"
    title = "zerorpc"
    packages = ("zerorpc", "gevent", "pyzmq")

    def serve(self) -> None:
        import zerorpc

        store = self.store()

        class Accounts:
            def get(self, account_id: str) -> Row:
                return store.get(account_id)

            def consume(self, account_id: str) -> int:
                return store.consume(account_id)

            def create(self, email: str) -> Row:
                return store.create(email)

        server = zerorpc.Server(Accounts())
        server.bind(self._endpoint)
        server.run()

    def client(self) -> Client:
        return _Client(self._endpoint)

    def ways(self) -> Mapping[str, Way]:
        return {"greenlets": self._greenlets}

    @property
    def _endpoint(self) -> str:
        return f"ipc://{self.socket_path}"

    def _greenlets(self, load: Load) -> None:
        import gevent

        client = self.client()
        call = getattr(client, load.operation)

        def caller() -> None:
            while load.is_running():
                call(load.next_argument())
                load.done()

        load.begin()
        gevent.joinall([gevent.spawn(caller) for _ in range(IN_FLIGHT)], raise_error=True)
        client.close()
