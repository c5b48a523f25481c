import asyncio
import copy
from collections import deque
from collections.abc import Iterable
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

    def take_together(self) -> list[PendingCall]:
        """The calls for the next message, oldest first; none when none wait.

        A message has one deadline, the earliest of its calls'; so only calls whose deadlines
        lie close together share one.
        """
        taken: list[PendingCall] = []
        size = 0
        while self._calls and len(taken) < MAX_CALLS_TOGETHER:
            call = self._calls[0]
            if not call.result.done():  # cancelled, if it is
                size += len(call.data)
                if taken and (size > self._max_bytes or not _close(call, taken[0])):
                    break
                taken.append(call)
            self._calls.popleft()
        return taken

    def fills_a_message(self) -> bool:
        return len(self._calls) >= MAX_CALLS_TOGETHER

    def has_waiting(self) -> bool:
        return any(not call.result.done() for call in self._calls)

    def expired(self, now_ns: int) -> list[PendingCall]:
        """Take out the calls whose deadline has passed."""
        late = [call for call in self._calls if call.deadline_ns <= now_ns]
        if late:
            self._calls = deque(call for call in self._calls if call.deadline_ns > now_ns)
        return late

    def take_all(self) -> Iterable[PendingCall]:
        calls, self._calls = self._calls, deque()
        return calls


def fail_all(calls: Iterable[PendingCall], error: PackDbError) -> None:
    for call in calls:
        call.fail(error)


def _close(one: PendingCall, other: PendingCall) -> bool:
    return abs(one.deadline_ns - other.deadline_ns) <= _MAX_DEADLINE_SPREAD_NS
