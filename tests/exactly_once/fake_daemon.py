import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from pack_db_client.protocol.messages import Request, decode_request, encode_reply, encode_value

Answer = Callable[[Request], bytes | None]
"""What to reply to a request; None is nothing at all."""


def answer_pong(request: Request) -> bytes:
    results = [encode_value("pong")] * len(request.calls)
    return encode_reply(request.sequence, results, time.monotonic_ns())


def answer_nothing(request: Request) -> None:
    return None


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
        self._stop_reader, self._stop_writer = os.pipe()
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

    def close(self) -> None:
        os.write(self._stop_writer, b"x")
        self._thread.join()
        self._context.destroy(linger=0)
        os.close(self._stop_reader)
        os.close(self._stop_writer)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stop_reader, zmq.POLLIN)
        while self._stop_reader not in dict(poller.poll()):
            *envelope, message = self._socket.recv_multipart()
            with self._received:
                self.messages.append(message)
                self._received.notify_all()
            if (reply := self._answer(decode_request(message))) is not None:
                self._socket.send_multipart([*envelope, reply])


@contextmanager
def fake_daemon(path: Path, answer: Answer = answer_pong) -> Iterator[FakeDaemon]:
    daemon = FakeDaemon(path, answer)
    try:
        yield daemon
    finally:
        daemon.close()
