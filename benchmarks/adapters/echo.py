from typing import Any

import zmq

from benchmarks.adapter import PythonServer
from benchmarks.clients import Client
from benchmarks.in_flight import InFlight
from benchmarks.workload import IN_FLIGHT, Load, Operation

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


class Echo(PythonServer):
    """What ZeroMQ takes by itself: a message there and back, and no service at all."""

    name = "echo"
    title = "raw pyzmq REQ/REP echo"
    packages = ("pyzmq",)
    operations = (Operation.GET,)
    loads = (Load.ONE_CLIENT, Load.CLIENT_PROCESSES, Load.IN_FLIGHT)

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

    def keep_in_flight(self, calls: InFlight) -> None:
        """From one DEALER, which is the fastest way."""
        with zmq.Context() as context, context.socket(zmq.DEALER) as client:
            client.linger = 0
            client.connect(self._endpoint)
            calls.begin()
            for _ in range(IN_FLIGHT):
                client.send_multipart(_ENVELOPE)
            while calls.is_running():
                client.recv_multipart()
                calls.done()
                client.send_multipart(_ENVELOPE)

    @property
    def _endpoint(self) -> str:
        return f"ipc://{self.socket_path}"
