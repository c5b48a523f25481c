import os
import signal
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """While entered, SIGTERM and SIGINT set `received` and make `wakeup_fd` readable.

    A handler alone would not do: Python restarts system calls that a signal interrupts
    (PEP 475), so the loop would sleep on.
    """

    def __init__(self) -> None:
        self.received = False

    def __enter__(self) -> Self:
        self.wakeup_fd, self._written_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_wakeup_fd = signal.set_wakeup_fd(self._written_fd, warn_on_full_buffer=False)
        self._old_handlers = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._old_wakeup_fd)
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        os.close(self.wakeup_fd)
        os.close(self._written_fd)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.received = True
