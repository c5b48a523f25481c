"""A log that nobody takes, or that there is none of."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.conditions import wait_until
from tests.support.daemon_process import DaemonProcess

_SERVE = f"exec {sys.executable} -m pack_db_daemon serve"

Start = Callable[..., DaemonProcess]


@pytest.fixture
def start(short_path: Path) -> Iterator[Start]:
    """Start a daemon with its stderr as a shell redirects it."""
    daemons = []

    def start_with(redirection: str, **settings: str) -> DaemonProcess:
        command = ["sh", "-c", f"{_SERVE} {redirection}"]
        daemons.append(DaemonProcess(short_path, settings, command))
        daemons[-1].start()
        return daemons[-1]

    yield start_with
    for daemon in daemons:
        daemon.clean_up()


@pytest.fixture
def full_pipe(short_path: Path) -> Iterator[int]:
    """The end to read of the pipe `pipe`, which takes nothing more."""
    os.mkfifo(short_path / "pipe")
    fd = os.open(short_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    _fill(fd)
    yield fd
    os.close(fd)


def _fill(fd: int) -> None:
    for size in (65536, 1):
        try:
            while True:
                os.write(fd, b"\n" * size)
        except BlockingIOError:
            pass


def _read(fd: int) -> str:
    try:
        return os.read(fd, 2**20).decode()
    except BlockingIOError:
        return ""


def test_row_75_a_full_pipe_that_nobody_reads_stops_neither_calls_nor_the_end(
    start: Start, full_pipe: int
) -> None:
    daemon = start("2>pipe", LOG_LEVEL="DEBUG")
    with daemon.client() as db:
        for _ in range(2000):
            assert db.ping()
    assert daemon.stop() == 0


def test_row_75_how_many_lines_were_dropped_is_said_when_the_pipe_is_read_again(
    start: Start, full_pipe: int
) -> None:
    daemon = start("2>pipe", LOG_LEVEL="DEBUG")
    with daemon.client() as db:
        for _ in range(2000):  # of which a thousand lines are kept
            assert db.ping()
        text = ""

        def it_is_said() -> bool:
            nonlocal text
            text += _read(full_pipe)
            return "lines were dropped" in text

        wait_until(it_is_said, "the dropped lines were counted")
    assert "INFO pack_db_daemon.daemon" in text


def test_row_75_a_start_that_fails_ends_though_nobody_reads_why(
    short_path: Path, full_pipe: int
) -> None:
    (short_path / "pack.db").touch()
    daemon = DaemonProcess(short_path, command=["sh", "-c", f"{_SERVE} 2>pipe"])
    daemon.start(wait=False)
    assert daemon.wait() == 5


@pytest.mark.parametrize("redirection", ["2>&-", "0<&- 1>&- 2>&-", "2>/dev/full"])
def test_row_76_a_daemon_without_a_usable_stderr_serves(start: Start, redirection: str) -> None:
    daemon = start(redirection, LOG_LEVEL="DEBUG")
    with daemon.client() as db:
        assert db.ping()
    assert os.readlink(f"/proc/{daemon.pid}/fd/2").startswith("/dev/")
    assert daemon.stop() == 0
