import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon_process import PATIENCE_S, DaemonProcess


class Notifications:
    """The service manager's end of sd_notify(3)."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.socket.settimeout(PATIENCE_S)

    def next(self) -> dict[str, str]:
        """The assignments of the next message that is no sign of life."""
        while (message := self._receive()) == {"WATCHDOG": "1"}:
            pass
        return message

    def wait_for_sign_of_life(self) -> None:
        while self._receive() != {"WATCHDOG": "1"}:
            pass

    def _receive(self) -> dict[str, str]:
        lines = self.socket.recv(4096).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture(params=["path", "abstract"])
def notifications(request: pytest.FixtureRequest, short_path: Path) -> Iterator[Notifications]:
    address = str(short_path / "notify")
    notifications = Notifications(f"@{address}" if request.param == "abstract" else address)
    yield notifications
    notifications.socket.close()


@pytest.fixture
def supervised(notifications: Notifications, short_path: Path) -> Iterator[DaemonProcess]:
    name = os.fsdecode(notifications.socket.getsockname()).replace("\0", "@", 1)
    daemon = DaemonProcess(short_path, {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000"})
    yield daemon
    daemon.clean_up()


def test_the_service_manager_hears_of_start_life_reload_and_end(
    supervised: DaemonProcess, notifications: Notifications
) -> None:
    supervised.start(wait=False)
    started = notifications.next()
    assert started["READY"] == "1"
    assert str(supervised.database_path) in started["STATUS"]
    with supervised.client() as db:
        assert db.ping()

    notifications.wait_for_sign_of_life()

    before_us = time.monotonic_ns() // 1000
    supervised.send_signal(signal.SIGHUP)
    reloading = notifications.next()
    assert reloading["RELOADING"] == "1"
    assert before_us <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert notifications.next()["READY"] == "1"

    supervised.send_signal(signal.SIGTERM)
    assert notifications.next()["STOPPING"] == "1"
    assert supervised.wait() == 0


def test_the_service_manager_hears_why_the_daemon_does_not_start(
    supervised: DaemonProcess, notifications: Notifications
) -> None:
    supervised.database_path.write_bytes(b"")
    supervised.start(wait=False)
    assert f"{supervised.database_path} is empty" in notifications.next()["STATUS"]
    assert supervised.wait() == 5


def test_a_service_manager_that_is_gone_stops_nothing(short_path: Path) -> None:
    daemon = DaemonProcess(short_path, {"NOTIFY_SOCKET": str(short_path / "nobody")})
    daemon.start()
    try:
        with daemon.client() as db:
            assert db.ping()
        assert daemon.stop() == 0
    finally:
        daemon.clean_up()
    assert "cannot tell the service manager READY=1" in daemon.log
