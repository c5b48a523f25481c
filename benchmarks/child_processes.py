"""Processes that end with the benchmark, however it ends."""

import ctypes
import os
import signal
import subprocess
from contextlib import suppress
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_GRACE_S = 3.0
_libc = ctypes.CDLL(None)


def start(command: list[str], log: IO[bytes], options: dict[str, Any]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,  # so that its own children can be ended with it
        preexec_fn=_die_with_parent,
        **options,
    )


def stop(process: "subprocess.Popen[bytes]", stop_signal: signal.Signals) -> None:
    """End a process that `start` started, and its children."""
    process.send_signal(stop_signal)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _die_with_parent() -> None:
    # Also the change of user, which PostgreSQL asks for, has happened by now; it would reset this.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
