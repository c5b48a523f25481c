import logging
import time
import traceback
from collections.abc import Callable, Hashable, Iterator

_PERIOD_S = 60.0
_TRACEBACKS = 20  # of a kind in a period
_MOST_KINDS = 1000


class LogLimit(logging.Filter):
    """Lets a line of each kind into the log in a minute, or 20 tracebacks, and counts the others.

    Lines are of one kind if they have the same message before its values are filled in and, with
    an exception, the same types raised at the same places, those of its causes too. So a defect
    that is new always has its traceback in the log, whatever floods it, and no value from outside
    makes new kinds. Lines below WARNING are left alone.

    Args:
        clock_s: any clock that never goes back.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock_s = clock_s
        self._began_s: dict[Hashable, float] = {}
        self._count: dict[Hashable, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        most = _TRACEBACKS if record.exc_info else 1
        kind = (record.name, str(record.msg), *_places(record))
        now_s = self._clock_s()
        if kind not in self._began_s or now_s >= self._began_s[kind] + _PERIOD_S:
            held_back = self._count.pop(kind, 0) - most
            if held_back > 0:
                record.msg = f"{record.msg} (and {held_back} more since it was said last)"
            if len(self._began_s) >= _MOST_KINDS:
                self._began_s.clear()
                self._count.clear()
            self._began_s[kind] = now_s
        self._count[kind] = count = self._count.get(kind, 0) + 1
        return count <= most


def _places(record: logging.LogRecord) -> Iterator[Hashable]:
    error = record.exc_info[1] if record.exc_info else None
    while error is not None:
        frames = traceback.walk_tb(error.__traceback__)
        # As a set: how deep a recursion was makes no new kind.
        yield type(error), frozenset((frame.f_code, line) for frame, line in frames)
        error = error.__cause__ or error.__context__
