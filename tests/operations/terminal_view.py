import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.pack_db_command import PACK_DB

_HOME = "\x1b[H"
_STYLE = re.compile(r"\x1b\[[\d;]*m")
_LEAVE = "\x1b[?1049l"
_LINES, _COLUMNS = 30, 100


class TerminalView:
    """A `pack-db` that fills a terminal of its own, from start to `close`.

    Args:
        last_line: what the last line of a whole screen ends with.
    """

    def __init__(self, daemon: DaemonProcess, last_line: str, *arguments: str) -> None:
        self._last_line = last_line
        self._screen, self._keyboard = pty.openpty()
        size = struct.pack("HHHH", _LINES, _COLUMNS, 0, 0)
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, size)
        self._settings = termios.tcgetattr(self._keyboard)
        self._shown = b""
        self.process = subprocess.Popen(
            [*PACK_DB, *arguments],
            env=daemon.environment | {"TERM": "xterm"},
            cwd=daemon.directory,
            stdin=self._keyboard,
            stdout=self._keyboard,
            stderr=self._keyboard,
            start_new_session=True,
        )

    def type(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def wait_until(self, condition: Callable[[str], bool]) -> str:
        """The first screen without its colours, from now on, of which it is true."""
        give_up = time.monotonic() + PATIENCE_S
        self._shown = b""
        while True:
            for screen in self._screens():
                if condition(screen):
                    return screen
            assert time.monotonic() < give_up, self._shown.decode(errors="replace")
            self._read()

    def end(self) -> tuple[int, bool]:
        """Its exit status, and whether the terminal is as it was before."""
        give_up = time.monotonic() + PATIENCE_S
        while _LEAVE.encode() not in self._shown:
            assert time.monotonic() < give_up, "it does not end"
            self._read()
        status = self.process.wait(PATIENCE_S)
        return status, termios.tcgetattr(self._keyboard) == self._settings

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)
        os.close(self._keyboard)

    def _screens(self) -> list[str]:
        drawn = _STYLE.sub("", self._shown.decode(errors="replace")).split(_HOME)
        return [screen for screen in drawn if screen.rstrip().endswith(self._last_line)]

    def _read(self) -> None:
        ready, _, _ = select.select([self._screen], [], [], PATIENCE_S)
        assert ready, "the terminal shows nothing new"
        self._shown += os.read(self._screen, 2**16)
