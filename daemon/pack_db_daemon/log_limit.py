import logging
import time
from collections.abc import Callable

_PERIOD_S = 60.0


class LogLimit(logging.Filter):
    """Lets each kind of line into the log once a minute, with how often it came since.

    A kind is a logger and a message before its arguments are filled in, so what comes from
    outside makes no new kinds. Lines below WARNING are left alone.

    Args:
        clock_s: any clock that never goes back.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock_s = clock_s
        self._next_s: dict[tuple[str, str], float] = {}
        self._held_back: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        kind = (record.name, str(record.msg))
        now_s = self._clock_s()
        if now_s < self._next_s.get(kind, now_s):
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return False
        self._next_s[kind] = now_s + _PERIOD_S
        if count := self._held_back.pop(kind, 0):
            record.msg = f"{record.msg} (and {count} more since it was said last)"
        return True
