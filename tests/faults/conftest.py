from collections.abc import Iterator

import pytest

from tests.faults.good_client import GoodClient, good_client
from tests.support.daemon_process import DaemonProcess
from tests.support.running_daemon import running_daemon


@pytest.fixture(scope="package")
def shared_daemon() -> Iterator[DaemonProcess]:
    """A daemon for faults that leave nothing behind."""
    with running_daemon() as daemon:
        yield daemon


@pytest.fixture
def good(shared_daemon: DaemonProcess) -> Iterator[GoodClient]:
    """A client of `shared_daemon` that must not notice the fault."""
    with good_client(shared_daemon.socket_path) as client:
        yield client
