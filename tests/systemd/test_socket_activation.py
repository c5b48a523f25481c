import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon_process import DaemonProcess
from tests.support.requirement import cannot_run


@pytest.fixture
def activated(short_path: Path) -> Iterator[DaemonProcess]:
    """A daemon that the first connection to its socket starts; this needs no root."""
    if shutil.which("systemd-socket-activate") is None:
        cannot_run("systemd-socket-activate is not installed")
    settings = DaemonProcess(short_path).environment
    command = ["systemd-socket-activate", f"--listen={settings['ZMQ_SOCKET_PATH']}"]
    command += [f"--setenv={name}" for name in settings]
    command += [sys.executable, "-m", "pack_db_daemon", "serve"]
    daemon = DaemonProcess(short_path, command=command)
    daemon.start()
    yield daemon
    daemon.clean_up()


def test_the_daemon_serves_the_socket_that_activated_it(activated: DaemonProcess) -> None:
    with activated.client() as db:
        assert db.status().pid == activated.pid
        assert db.status().socket_path == str(activated.socket_path)


def test_an_activated_daemon_leaves_the_socket_in_place(activated: DaemonProcess) -> None:
    with activated.client() as db:
        assert db.ping()
    assert activated.stop() == 0
    assert activated.socket_path.is_socket()
