import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class ProcessSignals:
    """From entering on, SIGTERM and SIGINT set `stop`, and SIGHUP asks for a reload.

    Inside the block they make `wakeup_fd` readable, too. A handler alone would not do: Python
    restarts system calls that a signal interrupts (PEP 475), so the loop would sleep on.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._reload_requested = False

    def __enter__(self) -> Self:
        self.wakeup_fd, self._written_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_wakeup_fd = signal.set_wakeup_fd(self._written_fd, warn_on_full_buffer=False)
        # The handlers stay after the block: a second SIGTERM must not end the process while
        # it writes the WAL back.
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._old_wakeup_fd)
        os.close(self.wakeup_fd)
        os.close(self._written_fd)

    def take_reload_request(self) -> bool:
        """Whether a SIGHUP came since this was asked last."""
        requested, self._reload_requested = self._reload_requested, False
        return requested

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stop.set()

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self._reload_requested = True
