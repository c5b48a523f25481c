import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgpack
import zmq

from tests.support.daemon_process import PATIENCE_S

CLIENT_ID = os.urandom(16)
_sequences = itertools.count(1)


class Reply(NamedTuple):
    sequence: int
    results: list[Any]  # [0, value] or [code, message, details] each
    clock_ns: int  # of the daemon
    size: int  # bytes
    data: bytes


def request(
    *calls: Any,
    version: Any = 1,
    client_id: Any = CLIENT_ID,
    sequence: Any = None,
    deadline_ns: Any = None,
) -> bytes:
    """A request by the book, but for what is given."""
    return pack(
        [
            version,
            client_id,
            next(_sequences) if sequence is None else sequence,
            deadline_in(5) if deadline_ns is None else deadline_ns,
            list(calls),
        ]
    )


def deadline_in(seconds: float) -> int:
    return time.monotonic_ns() + int(seconds * 1e9)


def pack(value: Any) -> bytes:
    data: bytes = msgpack.packb(value)
    return data


class RawClient:
    """A plain REQ socket, as a client in any other language has one."""

    def __init__(self, path: Path) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.linger = 0
        self._socket.rcvtimeo = self._socket.sndtimeo = int(PATIENCE_S * 1000)
        self._socket.connect(f"ipc://{path}")

    def exchange(self, message: bytes) -> Reply:
        """Send a message, whatever it is; a REQ socket takes exactly one reply to it."""
        self._socket.send(message)
        data = self._socket.recv()
        assert not self._socket.getsockopt(zmq.RCVMORE)
        version, sequence, results, clock_ns = msgpack.unpackb(data)
        assert version == 1
        return Reply(sequence, results, clock_ns, len(data), data)

    def call(self, method: str, arguments: Sequence[Any] | dict[str, Any]) -> Any:
        """The one result of a call by the book."""
        [result] = self.exchange(request([method, arguments])).results
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._context.destroy(linger=0)
