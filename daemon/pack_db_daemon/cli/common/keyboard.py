import os
import re
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AT_ONCE = 1024  # bytes
_NO_CHARACTER = re.compile(r"\x1b(\[[\d;]*|O)?.?")  # an arrow, say, which sends letters, too

ReadKeys = Callable[[float], str]
"""Waits so many seconds for keys; returns the characters typed, or none."""


@contextmanager
def keyboard() -> Iterator[ReadKeys]:
    """Read the terminal's keys one by one and unseen, as long as the block lasts.

    Ctrl-C interrupts as ever; Ctrl-Z does nothing, as the screen would stay as it is. What is
    read raises EOFError when the terminal has gone.
    """
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd)
        settings = termios.tcgetattr(fd)
        settings[6][termios.VSUSP] = os.fpathconf(fd, "PC_VDISABLE").to_bytes()
        termios.tcsetattr(fd, termios.TCSADRAIN, settings)
        yield lambda patience_s: _read(fd, patience_s)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _read(fd: int, patience_s: float) -> str:
    ready, _, _ = select.select([fd], [], [], patience_s)
    if not ready:
        return ""
    typed = os.read(fd, _AT_ONCE)
    if not typed:
        raise EOFError
    return _NO_CHARACTER.sub("", typed.decode(errors="ignore"))
