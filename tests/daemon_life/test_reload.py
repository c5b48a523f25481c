import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon_process import PATIENCE_S, DaemonProcess


@pytest.fixture
def configured(short_path: Path) -> Iterator[DaemonProcess]:
    """A daemon whose settings come from the .env file in its directory."""
    (short_path / ".env").write_text("LOG_LEVEL=INFO\n")
    daemon = DaemonProcess(short_path)
    daemon.start()
    yield daemon
    daemon.clean_up()


def _wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def _reload(daemon: DaemonProcess, settings: str, message: str) -> None:
    (daemon.directory / ".env").write_text(settings)
    daemon.send_signal(signal.SIGHUP)
    _wait_until(lambda: message in daemon.log)


def test_sighup_rereads_the_log_level(configured: DaemonProcess) -> None:
    _reload(configured, "LOG_LEVEL=DEBUG\n", "re-read the log level: DEBUG")
    _reload(configured, "LOG_LEVEL=INFO\n", "re-read the log level: INFO")


def test_sighup_says_what_needs_a_restart(configured: DaemonProcess) -> None:
    message = "SOCKET_MODE has changed; it takes effect when the daemon is restarted"
    _reload(configured, "LOG_LEVEL=WARNING\nSOCKET_MODE=0660\n", message)
    assert configured.socket_path.stat().st_mode & 0o777 == 0o600


def test_sighup_with_a_wrong_setting_changes_nothing(configured: DaemonProcess) -> None:
    _reload(configured, "LOG_LEVEL=LOUD\n", "nothing was re-read: LOG_LEVEL: must be one of")
    with configured.client() as db:
        assert db.ping()
    assert configured.stop() == 0
