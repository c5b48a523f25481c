"""The socket's file, removed or replaced while the daemon runs."""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon_life.test_inherited_socket import INHERITING
from tests.faults.conditions import descriptor_count, wait_until
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

_REFUSED = 5


@pytest.fixture(params=["1", "8"], ids=["one_by_one", "together"])
def own(request: pytest.FixtureRequest, short_path: Path) -> Iterator[DaemonProcess]:
    """A daemon with a socket in a directory of its own."""
    settings = {"WORKERS": request.param, "ZMQ_SOCKET_PATH": str(short_path / "run" / "s")}
    daemon = DaemonProcess(short_path, settings)
    daemon.start()
    yield daemon
    daemon.clean_up()


def _remove_lock_too(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}.lock").unlink()


@pytest.mark.parametrize(
    "remove",
    [Path.unlink, _remove_lock_too, lambda path: shutil.rmtree(path.parent)],
    ids=["socket", "with its lock", "with its directory"],
)
def test_row_78_a_socket_that_was_removed_is_there_again(
    own: DaemonProcess, remove: Callable[[Path], None]
) -> None:
    with own.client() as before:
        assert before.ping()
        descriptors = descriptor_count(own.pid)
        for _ in range(2):
            remove(own.socket_path)
            wait_until(own.socket_path.exists, "the socket is there again")
            with own.client() as after:
                assert after.status().pid == own.pid
            assert before.status().pid == own.pid
        wait_until(lambda: descriptor_count(own.pid) == descriptors, "the old socket is closed")
    assert f"somebody removed the socket {own.socket_path}" in own.log
    assert own.stop() == 0
    assert not own.socket_path.exists()


def test_row_78_a_socket_that_was_replaced_ends_the_daemon(own: DaemonProcess) -> None:
    own.socket_path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(own.socket_path))
        other.listen()
        assert own.wait() == _REFUSED
    last_line = own.log.splitlines()[-1]
    assert last_line.startswith("pack-db: something else has taken the place of the socket")
    assert own.socket_path.is_socket()  # it is not ours to remove


def test_row_78_an_inherited_socket_that_was_removed_ends_the_daemon(short_path: Path) -> None:
    path = DaemonProcess(short_path).socket_path
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        daemon = subprocess.Popen(
            [sys.executable, INHERITING, str(listening.fileno())],
            env=DaemonProcess(short_path).environment,
            cwd=short_path,
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
        )
        with DaemonProcess(short_path).client() as db:
            assert db.ping()
        path.unlink()
        _, stderr = daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == _REFUSED
    last_line = stderr.decode().splitlines()[-1]
    assert last_line.startswith(f"pack-db: the socket {path} was removed or replaced")
    assert "systemctl restart pack-db.socket" in last_line


def test_row_79_of_two_daemons_that_both_took_the_path_one_ends(short_path: Path) -> None:
    first = DaemonProcess(short_path)
    first.start()
    (short_path / "second").mkdir()
    second = DaemonProcess(short_path / "second", {"ZMQ_SOCKET_PATH": str(first.socket_path)})
    try:
        # As after a start of both at once, each with a lock file of its own: stopped, the first
        # does not notice in between that its socket was removed.
        first.send_signal(signal.SIGSTOP)
        _remove_lock_too(first.socket_path)
        second.start()
        first.send_signal(signal.SIGCONT)
        assert first.wait() == _REFUSED
        with second.client() as db:
            assert db.status().pid == second.pid
    finally:
        first.clean_up()
        second.clean_up()
