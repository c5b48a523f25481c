import threading
import time
from collections import deque

_BEAT_S = 0.01
_REMEMBERED = 1000  # pauses; none is asked for later than the longest call takes


class Pauses:
    """When this process could not do anything, as others had the processors or by its own doing.

    No client can end a call while its process does not run, so that time is not held against
    it. A thread that only sleeps and looks at the clock finds it out; what a client does in a
    call leaves that thread alone, unless it holds the interpreter.
    """

    def __init__(self) -> None:
        self._pauses: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self._last_beat = time.monotonic()
        threading.Thread(target=self._beat, daemon=True).start()

    def note(self, began: float, ended: float) -> None:
        """Times of `time.monotonic()`."""
        self._pauses.append((began, ended))

    def seconds_between(self, began: float, ended: float) -> float:
        """How much of this time was a pause."""
        total = 0.0
        now = began
        current = (self._last_beat + _BEAT_S, ended)
        for pause_began, pause_ended in sorted([*self._pauses, current]):
            if (until := min(pause_ended, ended)) > now:
                total += max(0.0, until - max(pause_began, now))
                now = max(now, until)
        return total

    def _beat(self) -> None:
        while True:
            time.sleep(_BEAT_S)
            now = time.monotonic()
            if now > self._last_beat + 2 * _BEAT_S:
                self.note(self._last_beat + _BEAT_S, now)
            self._last_beat = now
