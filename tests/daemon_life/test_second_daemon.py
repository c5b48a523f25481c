import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon_process import PATIENCE_S, DaemonProcess

_REFUSED = 5


@contextlib.contextmanager
def _started(*daemons: DaemonProcess) -> Iterator[None]:
    try:
        for daemon in daemons:
            daemon.start(wait=False)
        yield
    finally:
        for daemon in daemons:
            daemon.clean_up()


def _second(first: DaemonProcess, **settings: str) -> DaemonProcess:
    directory = first.directory / "second"
    directory.mkdir()
    return DaemonProcess(directory, settings)


def test_a_second_daemon_on_the_database_names_the_first(daemon: DaemonProcess) -> None:
    second = _second(daemon, DB_PATH=str(daemon.database_path))
    with _started(second):
        assert second.wait() == _REFUSED
    assert f"{daemon.database_path} is in use by process {daemon.pid} (" in second.log
    with daemon.client() as db:
        assert db.status().pid == daemon.pid


def test_a_second_daemon_on_the_socket_names_the_first(daemon: DaemonProcess) -> None:
    second = _second(daemon, ZMQ_SOCKET_PATH=str(daemon.socket_path))
    with _started(second):
        assert second.wait() == _REFUSED
    assert f"process {daemon.pid} (" in second.log
    assert f"listens at {daemon.socket_path}" in second.log
    with daemon.client() as db:
        assert db.status().pid == daemon.pid


@pytest.mark.parametrize("shared", ["DB_PATH", "ZMQ_SOCKET_PATH"])
@pytest.mark.parametrize("attempt", range(3))
def test_of_daemons_that_start_at_once_exactly_one_runs(
    short_path: Path, shared: str, attempt: int
) -> None:
    first = DaemonProcess(short_path)
    first.start()
    first.kill()  # leaves a dead socket, which both will want to replace
    second = _second(first, **{shared: first.environment[shared]})
    with _started(first, second):
        winner, loser = _decided(first, second)
        assert loser.wait() == _REFUSED
        winner.wait_until_it_listens()
        with winner.client() as db:
            assert db.status().pid == winner.pid


def _decided(first: DaemonProcess, second: DaemonProcess) -> tuple[DaemonProcess, DaemonProcess]:
    """The one that runs and the one that has ended."""
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        if _has_ended(first):
            return second, first
        if _has_ended(second):
            return first, second
        time.sleep(0.005)
    raise AssertionError("both run")


def _has_ended(daemon: DaemonProcess) -> bool:
    options = os.WEXITED | os.WNOWAIT | os.WNOHANG  # its exit status stays for wait()
    return os.waitid(os.P_PID, daemon.pid, options) is not None
