import asyncio
import os
import time
from pathlib import Path
from typing import Any
from weakref import finalize

from pack_db.errors import ClientClosed
from pack_db_client.transport.async_sender import AsyncSender
from pack_db_client.transport.call_queue import CallQueue, PendingCall, fail_all
from pack_db_client.transport.connection import Connection
from pack_db_client.transport.delivery import nothing_sent
from pack_db_client.transport.message import MESSAGE_OVERHEAD, too_large

# Of two, one message is made and read while the daemon works on the other's.
_SENDERS = 2
_TICK_S = 0.02  # how exact timeouts are, and how soon a lost connection is noticed


class AsyncChannel:
    """Carries messages to the daemon and back; what is called while one is under way travels
    together in the next, and in a second at the same time when it would fill a message."""

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.path = path
        self._max_message_bytes = max_message_bytes
        self._by_loop: dict[asyncio.AbstractEventLoop, _LoopConnections] = {}
        self._closed = False

    def submit(self, data: bytes, timeout_s: float, *, has_write: bool) -> "asyncio.Future[Any]":
        """Send one encoded call in the next message; the future gets its result.

        Cancelled before it was sent, it is not sent; cancelled later, it is done or not.

        Raises:
            MessageTooLarge, ClientClosed, Unavailable: nothing was sent; else as `deliver`.
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
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        self._by_loop.clear()
        if connections is not None:
            await connections.close()

    def _own_connections(self) -> "_LoopConnections":
        loop = asyncio.get_running_loop()
        connections = self._by_loop.get(loop)
        if connections is None or connections.pid != os.getpid():
            for other in list(self._by_loop):
                if other.is_closed():
                    self._by_loop.pop(other, None)
            connections = _LoopConnections(loop, self.path, self._max_message_bytes)
            self._by_loop[loop] = connections
        return connections


class _LoopConnections:
    """The connections of one event loop, in one process; closed when nobody has them any more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path, max_message_bytes: int) -> None:
        self.loop = loop
        self.pid = os.getpid()
        self._path = path
        self._queue = CallQueue(max_message_bytes - MESSAGE_OVERHEAD)
        self._senders: list[AsyncSender] = []
        self._ticker: asyncio.TimerHandle | None = None
        finalize(self, _stop_soon, self.pid, loop, self._senders, self._queue).atexit = False
        for _ in range(_SENDERS):
            sender = AsyncSender(Connection(path, max_message_bytes), self._queue)
            self._senders.append(sender)
            loop.add_reader(sender.socket, sender.wake)

    def add(self, call: PendingCall) -> None:
        self._queue.add(call)
        self._start_sender()
        # One that was due was interrupted, maybe, before it could say so.
        if self._ticker is None or self._ticker.when() <= self.loop.time():
            self._ticker = self.loop.call_later(_TICK_S, self._tick)

    async def close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        if ending := _stop(self.loop, self._senders, self._queue):
            await asyncio.wait(ending)

    def _start_sender(self) -> None:
        idle = [sender for sender in self._senders if not sender.is_busy]
        if len(idle) == _SENDERS or (idle and self._queue.fills_a_message()):
            idle[0].start()

    def _tick(self) -> None:
        self._ticker = None
        if self._queue.has_waiting():
            self._start_sender()  # whoever cancels all tasks of a loop cancels the senders', too
        elif not any(sender.is_busy for sender in self._senders):
            return
        self._ticker = self.loop.call_later(_TICK_S, self._tick)
        self._queue.fail_expired(lambda: nothing_sent(self._path))
        for sender in self._senders:
            sender.wake()


def _stop_soon(
    pid: int, loop: asyncio.AbstractEventLoop, senders: list[AsyncSender], queue: CallQueue
) -> None:
    # The garbage collector may run in another thread than the loop does.
    if pid == os.getpid() and not loop.is_closed():
        loop.call_soon_threadsafe(_stop, loop, senders, queue)


def _stop(
    loop: asyncio.AbstractEventLoop, senders: list[AsyncSender], queue: CallQueue
) -> "list[asyncio.Task[None]]":
    fail_all(queue.take_all(), ClientClosed("the client was closed; nothing was sent"))
    ending = [task for sender in senders if (task := sender.stop())]
    for sender in senders:
        loop.remove_reader(sender.socket)
    senders.clear()
    return ending
