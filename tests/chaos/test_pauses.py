import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.pauses import Pauses

_ROOT = Path(__file__).parents[2]
_STOPPED_S = 0.5
_MEASURE = """
import sys, time
from tests.chaos.pauses import Pauses
pauses = Pauses()
began = time.monotonic()
print("ready", flush=True)
sys.stdin.read()
print(pauses.seconds_between(began, time.monotonic()))
"""


def test_a_process_that_was_stopped_knows_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _MEASURE],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        time.sleep(_STOPPED_S)
        process.send_signal(signal.SIGCONT)
        measured_s, _ = process.communicate()
    assert float(measured_s) > _STOPPED_S - 0.05  # it looks at the clock every 0.01 s


def test_no_moment_counts_twice_and_none_outside() -> None:
    pauses = Pauses()
    for began, ended in ((1.0, 2.0), (1.5, 3.0), (1.6, 1.7), (5.0, 6.0), (8.0, 9.0)):
        pauses.note(began, ended)
    assert pauses.seconds_between(1.5, 5.5) == 1.5 + 0.5
    assert pauses.seconds_between(6.0, 8.0) == 0
