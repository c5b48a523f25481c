import asyncio
import os
import time
from pathlib import Path
from typing import Any

import zmq

from pack_db.errors import ClientClosed
from pack_db_client.async_sender import AsyncSender
from pack_db_client.call_queue import CallQueue, PendingCall, fail_all
from pack_db_client.numbering import MESSAGE_OVERHEAD, too_large

# Of two, one message is made and read while the daemon works on the other's.
_SENDERS = 2


class AsyncChannel:
    """Carries messages to the daemon and back; what is called while one is under way travels
    together in the next, and in a second at the same time when it would fill a message."""

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.path = path
        self._max_message_bytes = max_message_bytes
        self._connections: _Connections | None = None
        self._closed = False

    def submit(self, data: bytes, timeout_s: float, *, has_write: bool) -> "asyncio.Future[Any]":
        """Send one encoded call in the next message; the future gets its result.

        Cancelled before it was sent, it is not sent; cancelled later, it is done or not.

        Raises:
            MessageTooLarge, ClientClosed: nothing was sent; else as `deliver`.
        """
        if self._closed:
            raise ClientClosed("this client was closed; make a new one")
        if len(data) + MESSAGE_OVERHEAD > self._max_message_bytes:
            raise too_large(len(data) + MESSAGE_OVERHEAD, self._max_message_bytes)
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        connections = self._own_connections()
        result = connections.loop.create_future()
        connections.add(PendingCall(data, deadline_ns, has_write, result))
        return result

    async def close(self) -> None:
        """Disconnect at once. What was not sent fails with `ClientClosed`, a write that was
        sent but not answered with `OutcomeUnknown`."""
        self._closed = True
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()

    def _own_connections(self) -> "_Connections":
        if self._connections is None or not self._connections.is_usable():
            if self._connections is not None:
                self._connections.disconnect()
            self._connections = _Connections(self.path, self._max_message_bytes)
        return self._connections


class _Connections:
    """The connections and identities of one process's event loop.

    Neither a forked child nor another loop can use them: libzmq's sockets do not survive a fork,
    and an identity used by two would mix up their messages.
    """

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._queue = CallQueue(max_message_bytes - MESSAGE_OVERHEAD)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._senders = [
            AsyncSender(self._context, path, max_message_bytes, self._queue)
            for _ in range(_SENDERS)
        ]

    def is_usable(self) -> bool:
        return self._pid == os.getpid() and self.loop is asyncio.get_running_loop()

    def add(self, call: PendingCall) -> None:
        self._queue.add(call)
        idle = [sender for sender in self._senders if not sender.is_busy]
        if len(idle) == _SENDERS or (idle and self._queue.fills_a_message()):
            idle[0].start()

    async def close(self) -> None:
        try:
            if self.is_usable():
                fail_all(
                    self._queue.take_all(),
                    ClientClosed("the client was closed; nothing was sent"),
                )
                for sender in self._senders:
                    await sender.stop()
        finally:
            self.disconnect()

    def disconnect(self) -> None:
        if self._pid == os.getpid():
            for sender in self._senders:
                sender.disconnect()
            self._context.destroy(linger=0)
