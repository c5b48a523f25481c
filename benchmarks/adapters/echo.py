import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

import zmq
import zmq.asyncio

from benchmarks.adapter import Way
from benchmarks.clients import AsyncClient, Client
from benchmarks.load import Load, coroutines
from benchmarks.python_server import PythonServer
from benchmarks.workload import IN_FLIGHT, Durability, Operation

_MESSAGE = b"x" * 150  # about what an account takes
_ENVELOPE = (b"", _MESSAGE)  # what a REQ socket puts in front of it, a DEALER has to


class _EchoClient:
    """An echo has no accounts: every call is the same message there and back."""

    def __init__(self, endpoint: str) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(endpoint)

    def _round_trip(self, argument: str) -> Any:
        self._socket.send(_MESSAGE)
        return self._socket.recv()

    get = consume = create = _round_trip

    def close(self) -> None:
        self._socket.close()


class _AsyncEchoClient:
    """Many coroutines on one DEALER. A REP server answers one client's requests in order, so a
    queue of futures will do."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.connect(endpoint)
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._reader = asyncio.ensure_future(self._read())

    async def _round_trip(self, argument: str) -> Any:
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(answered)
        await self._socket.send_multipart(_ENVELOPE)
        return await answered

    get = consume = create = _round_trip

    async def close(self) -> None:
        self._reader.cancel()
        self._socket.close()
        self._context.term()

    async def _read(self) -> None:
        while True:
            _, message = await self._socket.recv_multipart()
            self._waiting.popleft().set_result(message)


class Echo(PythonServer):
    """What ZeroMQ takes by itself: a message there and back, and no service at all."""

    name = "echo"
    title = "raw pyzmq REQ/REP echo"
    packages = ("pyzmq",)
    operations = (Operation.GET,)
    durabilities = (Durability.DURABLE,)

    @classmethod
    def versions(cls) -> dict[str, str]:
        return super().versions() | {"libzmq": zmq.zmq_version()}

    def prepare(self) -> None:
        pass

    def serve(self) -> None:
        server = zmq.Context().socket(zmq.REP)
        server.bind(self._endpoint)
        while True:
            server.send(server.recv())

    def client(self) -> Client:
        return _EchoClient(self._endpoint)

    def ways(self) -> Mapping[str, Way]:
        return {"DEALER": self._pipelined, "asyncio": self._coroutines}

    @property
    def _endpoint(self) -> str:
        return f"ipc://{self.socket_path}"

    def _pipelined(self, load: Load) -> None:
        with zmq.Context() as context, context.socket(zmq.DEALER) as client:
            client.linger = 0
            client.connect(self._endpoint)
            load.begin()
            for _ in range(IN_FLIGHT):
                client.send_multipart(_ENVELOPE)
            while load.is_running():
                client.recv_multipart()
                load.done()
                client.send_multipart(_ENVELOPE)

    def _coroutines(self, load: Load) -> None:
        async def connect() -> AsyncClient:
            return _AsyncEchoClient(self._endpoint)

        coroutines(connect, load)
