import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zmq

from pack_db.errors import (
    CallTimeout,
    ClientClosed,
    OutcomeUnknown,
    PackDbError,
)
from pack_db_client.call_queue import CallQueue, PendingCall
from pack_db_client.delivery import Delivery, Wait, deliver, new_socket, ready_events
from pack_db_client.numbering import MESSAGE_OVERHEAD, Numbering, too_large
from pack_db_client.unavailable import why_unavailable


class AsyncChannel:
    """Carries messages to the daemon and back, one at a time; what is called while one is
    under way travels together in the next."""

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.path = path
        self._max_message_bytes = max_message_bytes
        self._connection: _Connection | None = None
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
        connection = self._own_connection()
        result = connection.loop.create_future()
        connection.add(PendingCall(data, deadline_ns, has_write, result))
        return result

    async def close(self) -> None:
        """Disconnect at once. What was not sent fails with `ClientClosed`, a write that was
        sent but not answered with `OutcomeUnknown`."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()
        self._connection = None

    def _own_connection(self) -> "_Connection":
        if self._connection is None or not self._connection.is_usable():
            if self._connection is not None:
                self._connection.disconnect()
            self._connection = _Connection(self.path, self._max_message_bytes)
        return self._connection


class _Connection:
    """The connection and identity of one process's event loop.

    Neither a forked child nor another loop can use it: libzmq's sockets do not survive a fork,
    and an identity used by two would mix up their messages.
    """

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        self.loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._path = path
        self._numbering = Numbering(max_message_bytes)
        self._queue = CallQueue(max_message_bytes - MESSAGE_OVERHEAD)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = new_socket(self._context, path)
        self._readable = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self.loop.add_reader(self._socket, self._readable.set)

    def is_usable(self) -> bool:
        return self._pid == os.getpid() and self.loop is asyncio.get_running_loop()

    def add(self, call: PendingCall) -> None:
        self._queue.add(call)
        if self._sender is None or self._sender.done():
            self._sender = self.loop.create_task(self._send_all())

    async def close(self) -> None:
        if self.is_usable():
            if self._sender is not None:
                self._sender.cancel()
                await asyncio.wait([self._sender])
            _fail(
                self._queue.take_all(),
                ClientClosed("the client was closed; nothing was sent"),
            )
        self.disconnect()

    def disconnect(self) -> None:
        if self._pid == os.getpid():
            if not self.loop.is_closed():
                self.loop.remove_reader(self._socket)
            self._context.destroy(linger=0)

    async def _send_all(self) -> None:
        while calls := self._queue.take_together():
            try:
                delivery = deliver(
                    self._socket,
                    self._path,
                    self._numbering.next_message(
                        [call.data for call in calls],
                        min(call.deadline_ns for call in calls),
                        has_write=any(call.has_write for call in calls),
                    ),
                )
                results = await self._finish(delivery)
            except PackDbError as error:
                _fail(calls, error)
            except asyncio.CancelledError:
                try:
                    delivery.throw(ClientClosed("the client was closed"))
                except PackDbError as error:
                    _fail(calls, error)
                raise
            except BaseException:
                _fail(calls, OutcomeUnknown("this client failed; the write may have been done"))
                raise
            else:
                for call, result in zip(calls, results, strict=True):
                    call.succeed(result)

    async def _finish(self, delivery: Delivery) -> list[Any]:
        try:
            while True:
                await self._wait(next(delivery))
                self._fail_expired()
        except StopIteration as answered:
            results: list[Any] = answered.value
            return results

    async def _wait(self, wait: Wait) -> None:
        # libzmq's fd tells that something happened, not what; looking at the events consumes
        # it. So clear first, look, and only then wait.
        self._readable.clear()
        if ready_events(self._socket) & wait.events:
            return
        try:
            async with asyncio.timeout(wait.seconds):
                await self._readable.wait()
        except TimeoutError:
            pass

    def _fail_expired(self) -> None:
        if expired := self._queue.expired(time.monotonic_ns()):
            _fail(
                expired,
                why_unavailable(self._path)
                or CallTimeout("the daemon is too busy to take the message; nothing was sent"),
            )


def _fail(calls: Iterable[PendingCall], error: PackDbError) -> None:
    for call in calls:
        call.fail(error)
