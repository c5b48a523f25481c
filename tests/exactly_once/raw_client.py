"""A client that is nothing but a REQ socket: the test decides every byte."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from pack_db_client.protocol.replies import decode_reply
from pack_db_client.protocol.requests import encode_call, encode_request

_PATIENCE_MS = 30_000


class RawClient:
    def __init__(self, socket: zmq.Socket[bytes], client_id: bytes | None = None) -> None:
        self._socket = socket
        self.client_id = client_id or os.urandom(16)

    def request(
        self,
        sequence: int,
        *calls: tuple[str, Sequence[Any]],
        deadline_ns: int | None = None,
    ) -> bytes:
        """The bytes of a message; its deadline is a minute ahead by default."""
        if deadline_ns is None:
            deadline_ns = time.monotonic_ns() + 60 * 10**9
        encoded = [encode_call(method, arguments) for method, arguments in calls]
        return encode_request(self.client_id, sequence, deadline_ns, encoded)

    def reply(self, message: bytes) -> bytes:
        self._socket.send(message)
        return self._socket.recv()

    def results(self, message: bytes) -> list[Any]:
        return decode_reply(self.reply(message))[1]


@contextmanager
def raw_client(socket_path: Path, client_id: bytes | None = None) -> Iterator[RawClient]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = context.socket(zmq.REQ)
        socket.linger = 0
        socket.rcvtimeo = _PATIENCE_MS
        socket.connect(f"ipc://{socket_path}")
        yield RawClient(socket, client_id)
    finally:
        context.destroy(linger=0)
