import asyncio
import time
from pathlib import Path
from typing import Any

import zmq

from pack_db.errors import CallTimeout, ClientClosed, OutcomeUnknown, PackDbError
from pack_db_client.call_queue import CallQueue, fail_all
from pack_db_client.delivery import Delivery, Wait, deliver, new_socket, ready_events
from pack_db_client.numbering import Numbering
from pack_db_client.unavailable import why_unavailable


class AsyncSender:
    """Sends what waits in a queue, one message at a time, with an identity of its own."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        path: Path,
        max_message_bytes: int,
        queue: CallQueue,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._queue = queue
        self._numbering = Numbering(max_message_bytes)
        self._socket = new_socket(context, path)
        self._readable = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop.add_reader(self._socket, self._look)

    @property
    def is_busy(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Send all that waits; not to be called while it is busy."""
        self._task = self._loop.create_task(self._send_all())
        self._task.add_done_callback(self._go_on)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def disconnect(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)

    def _go_on(self, _: "asyncio.Task[None]") -> None:
        # Whoever cancels all tasks of a loop cancels this one, too; what waits must go on.
        if not self.is_busy and self._queue.has_waiting():
            self.start()

    def _look(self) -> None:
        # Until the events are looked at, the fd stays readable and would keep the loop busy.
        ready_events(self._socket)
        self._readable.set()

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
                fail_all(calls, error)
            except asyncio.CancelledError:
                try:
                    delivery.throw(ClientClosed("the client was closed"))
                except PackDbError as error:
                    fail_all(calls, error)
                raise
            except BaseException:
                fail_all(calls, OutcomeUnknown("this client failed; the write may have been done"))
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
            fail_all(
                expired,
                why_unavailable(self._path)
                or CallTimeout("the daemon is too busy to take the message; nothing was sent"),
            )
