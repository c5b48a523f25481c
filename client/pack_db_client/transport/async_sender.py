import asyncio

import msgspec

from pack_db.errors import ClientClosed, NotStarted, PackDbError
from pack_db_client.protocol.replies import code_of
from pack_db_client.transport.call_queue import CallQueue, PendingCall, fail_all
from pack_db_client.transport.connection import Connection, ready_events
from pack_db_client.transport.delivery import Wait, deliver, outcome


class AsyncSender:
    """Sends what waits in a queue over a connection of its own, one message at a time."""

    def __init__(self, connection: Connection, queue: CallQueue) -> None:
        self.socket = connection.socket
        self._connection = connection
        self._queue = queue
        self._in_hand: list[PendingCall] = []
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Send all that waits, in a task of the running loop; not to be called while busy."""
        self._task = asyncio.get_running_loop().create_task(self._send_all())

    def stop(self) -> "asyncio.Task[None] | None":
        """Send nothing more, and fail what is not answered yet; the task that is still to end."""
        self._fail_in_hand()
        if self._task is None or self._task.done():
            return None
        self._task.cancel()
        return self._task

    def wake(self) -> None:
        """Look at the socket again: its descriptor is readable, or time has passed."""
        # Until the events are looked at, the descriptor stays readable and keeps the loop busy.
        ready_events(self.socket)
        self._woken.set()

    async def _send_all(self) -> None:
        mine = asyncio.current_task()
        if self._task is not mine and self.is_busy:
            return  # of two tasks, one was made by a `start` that something interrupted
        self._task = mine
        try:
            while self._queue.take_together(self._in_hand):
                await self._send_in_hand()
                self._in_hand.clear()
        finally:
            # Whatever ended it: no call may wait for an answer that nobody waits for.
            self._fail_in_hand()

    async def _send_in_hand(self) -> None:
        calls = self._in_hand
        try:
            message = self._connection.next_message(
                [call.data for call in calls],
                min(call.deadline_ns for call in calls),
                has_write=any(call.has_write for call in calls),
            )
            delivery = deliver(self._connection, message)
            while True:
                await self._wait(next(delivery))
        except StopIteration as answered:
            self._answer(answered.value)
        except PackDbError as error:
            fail_all(calls, error)

    def _answer(self, results: list[msgspec.Raw]) -> None:
        not_started = []
        for call, result in zip(self._in_hand, results, strict=True):
            if code_of(result) == NotStarted.code:
                not_started.append(call)
            else:
                call.succeed(result)
        self._queue.put_back(not_started)

    async def _wait(self, wait: Wait) -> None:
        # libzmq's descriptor tells that something happened, not what; looking at the events
        # consumes it. So clear first, look, and only then wait.
        self._woken.clear()
        if not ready_events(self.socket) & wait.events:
            await self._woken.wait()

    def _fail_in_hand(self) -> None:
        if self._in_hand:
            closed = ClientClosed("the client was closed, or its task was cancelled")
            fail_all(self._in_hand, outcome(self._connection, closed, has_write=True))
            self._in_hand.clear()
