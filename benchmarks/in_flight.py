"""Many calls in flight from one process."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from benchmarks.clients import AsyncClient, BatchClient, Client
from benchmarks.workload import IN_FLIGHT, Arguments, Operation


class InFlight:
    """The clock and the counter of one measurement with many calls in flight.

    Who makes them calls `begin` once connected, makes calls while `is_running`, and reports each
    that was answered with `done`.
    """

    def __init__(
        self, operation: Operation, arguments: Arguments, warm_up_s: float, seconds: float
    ) -> None:
        self.operation = operation
        self.errors: Counter[str] = Counter()
        self.answered = 0
        self._arguments = arguments
        self._warm_up_s = warm_up_s
        self._seconds = seconds
        self._from = self._until = 0.0

    def begin(self) -> None:
        self._from = time.monotonic() + self._warm_up_s
        self._until = self._from + self._seconds

    def is_running(self) -> bool:
        return time.monotonic() < self._until

    def next_argument(self) -> str:
        return self._arguments.next(self.operation)

    def done(self, calls: int = 1) -> None:
        if self._from <= time.monotonic() < self._until:
            self.answered += calls

    def failed(self, error: Exception) -> None:
        self.errors[describe(error)] += 1


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:120]}"


def threads(connect: Callable[[], Client], calls: InFlight) -> None:
    """A thread and a connection for each call in flight."""
    connected = threading.Barrier(IN_FLIGHT + 1)
    begun = threading.Event()
    turn = threading.Lock()

    def caller() -> None:
        client = connect()
        call = getattr(client, calls.operation)
        connected.wait()
        begun.wait()
        while calls.is_running():
            try:
                call(calls.next_argument())
            except Exception as error:
                with turn:
                    calls.failed(error)
            else:
                with turn:
                    calls.done()
        client.close()

    callers = [threading.Thread(target=caller) for _ in range(IN_FLIGHT)]
    for thread in callers:
        thread.start()
    connected.wait()
    calls.begin()
    begun.set()
    for thread in callers:
        thread.join()


def coroutines(connect: Callable[[], Awaitable[AsyncClient]], calls: InFlight) -> None:
    """A coroutine for each call in flight, over one client."""

    async def run() -> None:
        client = await connect()
        call = getattr(client, calls.operation)

        async def caller() -> None:
            while calls.is_running():
                try:
                    await call(calls.next_argument())
                except Exception as error:
                    calls.failed(error)
                    await asyncio.sleep(0)
                else:
                    calls.done()

        await call(calls.next_argument())
        calls.begin()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        await client.close()

    asyncio.run(run())


def batches(client: BatchClient, calls: InFlight) -> None:
    """One caller that has many calls at hand."""
    calls.begin()
    while calls.is_running():
        client.batch(calls.operation, [calls.next_argument() for _ in range(IN_FLIGHT)])
        calls.done(IN_FLIGHT)
