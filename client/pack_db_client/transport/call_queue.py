import asyncio
import copy
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pack_db.errors import CallTimeout, OutcomeUnknown, PackDbError

MAX_CALLS_TOGETHER = 32
"""Calls in one message at most: the daemon's other clients wait for it meanwhile."""

_MAX_DEADLINE_SPREAD_NS = 250_000_000


@dataclass(eq=False, slots=True)
class PendingCall:
    data: bytes
    deadline_ns: int  # CLOCK_MONOTONIC
    has_write: bool
    result: "asyncio.Future[Any]"

    def succeed(self, result: Any) -> None:
        if not self.result.done():  # cancelled, if it is
            self.result.set_result(result)

    def fail(self, error: PackDbError) -> None:
        if isinstance(error, OutcomeUnknown) and not self.has_write:
            error = CallTimeout("the daemon did not answer in time; nothing was changed")
        if not self.result.done():
            # A copy: each caller that raises it adds a traceback of its own.
            self.result.set_exception(copy.copy(error))


class CallQueue:
    """Calls that wait to travel together in the next message."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._calls: deque[PendingCall] = deque()

    def add(self, call: PendingCall) -> None:
        self._calls.append(call)

    def put_back(self, calls: Sequence[PendingCall]) -> None:
        """Let calls be the next again."""
        self._calls.extendleft(reversed(calls))

    def take_together(self, taken: list[PendingCall]) -> bool:
        """Move the calls for the next message to `taken`, oldest first; False if none wait.

        A message has one deadline, the earliest of its calls'; so only calls whose deadlines
        lie close together share one.
        """
        size = 0
        now_ns = time.monotonic_ns()
        while self._calls and len(taken) < MAX_CALLS_TOGETHER:
            call = self._calls[0]
            if call.deadline_ns <= now_ns:
                call.fail(CallTimeout("the time was up before the call was sent; nothing was sent"))
            elif not call.result.done():  # cancelled, if it is
                size += len(call.data)
                if taken and (size > self._max_bytes or not _close(call, taken[0])):
                    break
                taken.append(call)  # first, as what interrupts this must not lose it
            self._calls.popleft()
        return bool(taken)

    def fills_a_message(self) -> bool:
        return len(self._calls) >= MAX_CALLS_TOGETHER

    def has_waiting(self) -> bool:
        return any(not call.result.done() for call in self._calls)

    def fail_expired(self, why: Callable[[], PackDbError]) -> None:
        """Fail the calls whose deadline has passed."""
        now_ns = time.monotonic_ns()
        if late := [c for c in self._calls if c.deadline_ns <= now_ns and not c.result.done()]:
            fail_all(late, why())

    def take_all(self) -> Iterable[PendingCall]:
        calls, self._calls = self._calls, deque()
        return calls


def fail_all(calls: Iterable[PendingCall], error: PackDbError) -> None:
    for call in calls:
        call.fail(error)


def _close(one: PendingCall, other: PendingCall) -> bool:
    return abs(one.deadline_ns - other.deadline_ns) <= _MAX_DEADLINE_SPREAD_NS
