import logging
import os
import queue
import select
import threading

_MOST_LINES = 1000
_PATIENCE_S = 0.05
_FINISH_S = 1.0


class LogWriter(logging.Handler):
    """Writes lines from a thread of its own, so that nobody waits long for who takes them.

    As a rule a line is written when the call that logs it returns, and so is not lost in a crash.
    But when that takes too long once, it is not waited for until the thread has caught up.

    What there is no room for is dropped, and so is what cannot be written, on a full disk or
    where nobody reads any more. How much that was is said as soon as something can be written.

    Args:
        fd: where to write. Not a stream of Python's: a thread that is stuck in one holds its
            lock, and with it the end of the process.
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._lines: queue.SimpleQueue[tuple[str, threading.Event] | None] = queue.SimpleQueue()
        self._is_slow = False
        self._dropped = 0  # by those who log
        self._unwritten = 0  # by the thread
        self._thread = threading.Thread(target=self._write_all, name="log-writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if self._lines.qsize() >= _MOST_LINES:
            self._dropped += 1
            return
        is_written = threading.Event()
        self._lines.put((self.format(record), is_written))
        if not self._is_slow:
            self._is_slow = not is_written.wait(_PATIENCE_S)

    def format(self, record: logging.LogRecord) -> str:
        try:
            return super().format(record)
        except Exception:  # the `__str__` of a caller's object, for instance
            message = f"{record.msg!r}, whose values have no text"
            where = record.name, record.levelno, record.pathname, record.lineno
            return super().format(logging.LogRecord(*where, message, None, None))

    def finish(self) -> bool:
        """Write what is there, for a second at most; whether a line more could be written."""
        self._lines.put(None)
        self._thread.join(_FINISH_S)
        return not self._thread.is_alive() and any(select.select([], [self._fd], [], _FINISH_S))

    def _write_all(self) -> None:
        said = 0  # of those that were dropped
        while (item := self._lines.get()) is not None:
            line, is_written = item
            if self._write(line):
                dropped = self._dropped + self._unwritten
                if dropped > said and self._write(self.format(_line_about(dropped - said))):
                    said = dropped
            else:
                self._unwritten += 1
            is_written.set()
            if self._lines.empty():
                self._is_slow = False

    def _write(self, line: str) -> bool:
        data = f"{line}\n".encode(errors="backslashreplace")
        try:
            while data:
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:  # others share the pipe and have made it so
                    select.select([], [self._fd], [])
        except OSError:
            return False
        return True


def _line_about(dropped: int) -> logging.LogRecord:
    message = "%d lines were dropped, as nobody took them from the log in time"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, (dropped,), None)
