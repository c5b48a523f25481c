import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable

_PERIOD_S = 60.0
_FRAMES = 16  # the innermost, by which one defect is told from another
_SHORT_LINES = 20
_MOST_KINDS = 1000


class LogLimit(logging.Filter):
    """Lets each kind of line into the log once a minute, with how often it came since.

    A kind is a logger and a message before its arguments are filled in, so what comes from
    outside makes no new kinds. Of an exception, its type and place and the first argument, which
    says what failed, count too, so that each defect has its traceback in the log; when it comes
    again within the minute, some lines come without, for what they say else, such as an id.
    Lines below WARNING are left alone.

    Args:
        clock_s: any clock that never goes back.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock_s = clock_s
        self._next_s: dict[Hashable, float] = {}
        self._held_back: dict[Hashable, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        kind = _kind(record)
        now_s = self._clock_s()
        if now_s < self._next_s.get(kind, now_s):
            self._held_back[kind] = count = self._held_back.get(kind, 0) + 1
            if record.exc_info is None or count > _SHORT_LINES:
                return False
            record.msg = f"{record.msg} (as above)"
            record.exc_info = None
            return True
        while len(self._next_s) >= _MOST_KINDS:
            self._forget(next(iter(self._next_s)))
        self._next_s[kind] = now_s + _PERIOD_S
        if count := self._held_back.pop(kind, 0):
            record.msg = f"{record.msg} (and {count} more since it was said last)"
        return True

    def _forget(self, kind: Hashable) -> None:
        del self._next_s[kind]
        self._held_back.pop(kind, None)


def _kind(record: logging.LogRecord) -> Hashable:
    kind = (record.name, str(record.msg))
    if not record.exc_info or record.exc_info[0] is None:
        return kind
    what = record.args[0] if isinstance(record.args, tuple) and record.args else None
    frames = deque(traceback.walk_tb(record.exc_info[2]), _FRAMES)
    places = tuple((frame.f_code.co_filename, line) for frame, line in frames)
    return (*kind, str(what), record.exc_info[0].__qualname__, places)
