import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq

from pack_db.errors import CallTimeout, ClientClosed
from pack_db_client.delivery import deliver, new_socket
from pack_db_client.numbering import Numbering


class _Line:
    """One process's connection and identity; a forked child inherits neither."""

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.pid = os.getpid()
        self.turn = threading.Lock()
        self.closed = False
        self.numbering = Numbering(max_message_bytes)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = new_socket(self.context, path)


class Channel:
    """Carries messages to the daemon and back, one at a time; threads take turns."""

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.path = path
        self._max_message_bytes = max_message_bytes
        self._line = _Line(path, max_message_bytes)

    def round_trip(self, calls: Sequence[bytes], timeout_s: float, *, has_write: bool) -> list[Any]:
        """Send encoded calls in one message; returns their results, in order.

        Raises:
            MessageTooLarge, ClientClosed: nothing was sent; else as `deliver`.
        """
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        line = self._own_line()
        if not line.turn.acquire(timeout=timeout_s):
            raise CallTimeout("calls of other threads took all the time; nothing was sent")
        try:
            if line.closed:
                raise ClientClosed("this client was closed; make a new one")
            message = line.numbering.next_message(calls, deadline_ns, has_write=has_write)
            delivery = deliver(line.socket, self.path, message)
            while True:
                wait = next(delivery)
                zmq.zmq_poll([(line.socket, wait.events)], int(wait.seconds * 1000) + 1)
                if line.closed and wait.events == zmq.POLLOUT:
                    delivery.throw(ClientClosed("another thread closed this client"))
        except StopIteration as answered:
            results: list[Any] = answered.value
            return results
        finally:
            line.turn.release()

    def close(self) -> None:
        """Wait for the answer to the call in hand, if the daemon is there, then disconnect."""
        line = self._line
        if line.pid == os.getpid():
            line.closed = True
            with line.turn:
                line.context.destroy(linger=0)

    def _own_line(self) -> _Line:
        # libzmq's sockets and contexts do not work in a forked child, and an identity used
        # by two processes would mix up their messages.
        if self._line.pid != os.getpid():
            self._line = _Line(self.path, self._max_message_bytes)
        return self._line
