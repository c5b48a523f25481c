import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import zmq

from pack_db.errors import ClientClosed, PackDbError
from pack_db_client.transport.connection import Connection
from pack_db_client.transport.delivery import deliver, outcome, try_once
from pack_db_client.transport.message import Message


class Channel:
    """Carries messages to the daemon and back, each thread's over a connection of its own.

    A call takes a connection that is idle, or makes one, and puts it back when it has ended in
    order. There is no lock, so nothing that interrupts a call can leave one taken: a call from a
    signal handler or a finalizer finds another connection, and one that an exception interrupts
    takes its connection with it.
    """

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.path = path
        self._max_message_bytes = max_message_bytes
        self._idle: deque[Connection] = deque()
        self._closed = False

    def round_trip(
        self, calls: Sequence[bytes], timeout_s: float, *, has_write: bool
    ) -> list[msgspec.Raw]:
        """Send encoded calls in one message; returns their encoded results, in order.

        Raises:
            MessageTooLarge, ClientClosed: nothing was sent; else as `deliver`.
        """
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        if self._closed:
            raise ClientClosed("this client was closed; make a new one")
        connection = None
        with suppress(IndexError):
            connection = self._idle.pop()
        if connection is None or connection.pid != os.getpid():
            connection = Connection(self.path, self._max_message_bytes)
        try:
            message = connection.next_message(calls, deadline_ns, has_write=has_write)
            results = try_once(connection, message)
            if results is None:
                results = self._keep_trying(connection, message)
        except PackDbError:
            self._idle.append(connection)
            if self._closed:
                self._idle.clear()
            raise
        self._idle.append(connection)
        if self._closed:
            self._idle.clear()
        return results

    def close(self) -> None:
        """Disconnect, without waiting. Another thread's call that was sent still gets its answer;
        one that waits for a daemon ends with `ClientClosed`."""
        self._closed = True
        self._idle.clear()

    def _keep_trying(self, connection: Connection, message: Message) -> list[msgspec.Raw]:
        delivery = deliver(connection, message)
        try:
            while True:
                wait = next(delivery)
                zmq.zmq_poll([(connection.socket, wait.events)], int(wait.seconds * 1000) + 1)
                if self._closed and wait.events == zmq.POLLOUT:
                    closed = ClientClosed("this client was closed meanwhile")
                    raise outcome(connection, closed, has_write=message.has_write)
        except StopIteration as answered:
            results: list[msgspec.Raw] = answered.value
            return results
