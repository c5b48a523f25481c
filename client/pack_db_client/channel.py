import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq

from pack_db.errors import CallTimeout, ClientClosed
from pack_db_client.delivery import Message, deliver, new_socket, try_once
from pack_db_client.numbering import Numbering


class _Connection:
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
        self._connection = _Connection(path, max_message_bytes)

    def round_trip(self, calls: Sequence[bytes], timeout_s: float, *, has_write: bool) -> list[Any]:
        """Send encoded calls in one message; returns their results, in order.

        Raises:
            MessageTooLarge, ClientClosed: nothing was sent; else as `deliver`.
        """
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        connection = self._own_connection()
        if not connection.turn.acquire(timeout=timeout_s):
            raise CallTimeout("calls of other threads took all the time; nothing was sent")
        try:
            if connection.closed:
                raise ClientClosed("this client was closed; make a new one")
            message = connection.numbering.next_message(calls, deadline_ns, has_write=has_write)
            copies, results = try_once(connection.socket, message)
            if results is None:
                results = self._keep_trying(connection, message, copies)
            return results
        finally:
            connection.turn.release()

    def close(self) -> None:
        """Wait for the answer to the call in hand, if the daemon is there, then disconnect."""
        connection = self._connection
        if connection.pid == os.getpid():
            connection.closed = True
            with connection.turn:
                connection.context.destroy(linger=0)

    def _keep_trying(self, connection: _Connection, message: Message, copies: int) -> list[Any]:
        delivery = deliver(connection.socket, self.path, message, copies)
        try:
            while True:
                wait = next(delivery)
                zmq.zmq_poll([(connection.socket, wait.events)], int(wait.seconds * 1000) + 1)
                if connection.closed and wait.events == zmq.POLLOUT:
                    delivery.throw(ClientClosed("another thread closed this client"))
        except StopIteration as answered:
            results: list[Any] = answered.value
            return results

    def _own_connection(self) -> _Connection:
        # libzmq's sockets and contexts do not work in a forked child, and an identity used
        # by two processes would mix up their messages.
        if self._connection.pid != os.getpid():
            self._connection = _Connection(self.path, self._max_message_bytes)
        return self._connection
