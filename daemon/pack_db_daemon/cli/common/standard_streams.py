"""Standard streams that are closed, full, or of another encoding than UTF-8."""

import io
import os
import sys


def prepare_streams() -> None:
    """Open what is closed, and let no character fail that cannot be shown.

    Else the next file to be opened, a database say, would be taken for standard output. Writing
    to an output that was closed fails, as with other programs; messages to a closed stderr are
    dropped.
    """
    for name, mode, access in (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, access)
            setattr(sys, name, os.fdopen(fd, mode, encoding="utf-8", errors="backslashreplace"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def finish_streams() -> bool:
    """Whether all that was written has arrived."""
    arrived = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            arrived = False
            # Else the interpreter would try it again at its end, and report that in its own way.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return arrived
