import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from pack_db_client.protocol.replies import encode_reply, encode_value
from pack_db_client.protocol.requests import Request, decode_request

_STOP = b"s"
_ANSWER_KEPT = b"a"

Answer = Callable[[Request], bytes | None]
"""What to reply to a request; None is nothing at all."""


def answer_pong(request: Request) -> bytes:
    results = [encode_value("pong")] * len(request.calls)
    return encode_reply(request.sequence, results, time.monotonic_ns())


def answer_nothing(request: Request) -> None:
    return None


def shut_down(fd: int) -> None:
    """End a connection, whose descriptor is somebody else's."""
    with socket.socket(fileno=os.dup(fd)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


class FakeDaemon:
    """Remembers what clients send, and answers what the test wants."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.messages: list[bytes] = []
        self._answer = answer
        self._received = threading.Condition()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        # Not REP: that one could not receive the next request before it has replied.
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.bind(f"ipc://{path}")
        self._kept: list[tuple[list[zmq.Frame], bytes]] = []
        self._order_reader, self._order_writer = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def requests(self) -> list[Request]:
        return [decode_request(message) for message in self.messages]

    def wait_for_message(self, count: int = 1) -> None:
        """Return once `count` messages have come."""
        with self._received:
            if not self._received.wait_for(lambda: len(self.messages) >= count, timeout=20):
                raise TimeoutError(f"only {len(self.messages)} messages of {count} came")

    def lose_connection(self) -> None:
        """To be called by the answer: end the connection over which the message came."""
        shut_down(self._fd)

    def answer_kept(self) -> None:
        """Answer what was not answered with a pong."""
        os.write(self._order_writer, _ANSWER_KEPT)

    def close(self) -> None:
        os.write(self._order_writer, _STOP)
        self._thread.join()
        self._context.destroy(linger=0)
        os.close(self._order_reader)
        os.close(self._order_writer)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._order_reader, zmq.POLLIN)
        while True:
            if self._order_reader in dict(poller.poll()):
                if os.read(self._order_reader, 1) == _STOP:
                    return
                for envelope, message in self._kept:
                    pong = answer_pong(decode_request(message))
                    self._socket.send_multipart([*envelope, pong])
                self._kept.clear()
            else:
                self._receive()

    def _receive(self) -> None:
        *envelope, frame = self._socket.recv_multipart(copy=False)
        self._fd = frame.get(zmq.SRCFD)
        message = frame.bytes
        with self._received:
            self.messages.append(message)
            self._received.notify_all()
        if (reply := self._answer(decode_request(message))) is not None:
            self._socket.send_multipart([*envelope, reply])
        else:
            self._kept.append((envelope, message))


@contextmanager
def fake_daemon(path: Path, answer: Answer = answer_pong) -> Iterator[FakeDaemon]:
    daemon = FakeDaemon(path, answer)
    try:
        yield daemon
    finally:
        daemon.close()
