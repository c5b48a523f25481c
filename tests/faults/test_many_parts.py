"""Messages of more parts than anybody has a use for."""

from collections.abc import Iterator

import pytest

from tests.faults.conditions import wait_until
from tests.faults.good_client import GoodClient, good_client
from tests.faults.zmtp_peer import ZmtpPeer, short_frame
from tests.support.daemon_process import DaemonProcess
from tests.support.running_daemon import running_daemon

_A_MILLION = 1_000_000


@pytest.fixture(params=["1", "8"], ids=["one_by_one", "together"])
def daemon(request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    with running_daemon({"WORKERS": request.param}) as daemon:
        yield daemon


@pytest.fixture
def good(daemon: DaemonProcess) -> Iterator[GoodClient]:
    with good_client(daemon.socket_path) as client:
        yield client


def _send(daemon: DaemonProcess, data: bytes) -> None:
    """Send it and wait until the daemon has closed the connection."""
    with ZmtpPeer(daemon.socket_path) as peer:
        peer.shake_hands()
        try:
            peer.send(data)
        except (BrokenPipeError, ConnectionResetError):
            return
        peer.wait_until_closed()


@pytest.mark.parametrize("parts", [100, 2_000, _A_MILLION])
def test_row_70_a_peer_that_sends_a_body_in_very_many_parts_is_cut_off(
    daemon: DaemonProcess, good: GoodClient, parts: int
) -> None:
    _send(daemon, short_frame(b"", more=True) * parts + short_frame(b""))
    good.wait_for_answers(20)
    assert "it sent a message of too many parts" in daemon.log


@pytest.mark.parametrize("parts", [200, _A_MILLION])
def test_row_71_a_peer_that_sends_a_very_long_envelope_is_cut_off(parts: int) -> None:
    envelope = short_frame(b"e", more=True) * parts
    with running_daemon() as daemon, good_client(daemon.socket_path) as good:
        _send(daemon, envelope + short_frame(b"", more=True) + short_frame(b"body"))
        good.wait_for_answers(20)
        assert "it sent a message of too many parts" in daemon.log


def test_row_70_what_cannot_be_read_off_in_time_is_left_with_its_socket(
    daemon: DaemonProcess, good: GoodClient
) -> None:
    message = short_frame(b"", more=True) * _A_MILLION + short_frame(b"")

    def it_is_replaced() -> bool:
        _send(daemon, message)  # which may be read off in time, on a fast machine
        return "all connections are made anew" in daemon.log

    wait_until(it_is_replaced, "the socket was replaced")
    good.wait_for_answers(20)
    with daemon.client() as db:
        wait_until(lambda: db.status().connections == 2, "the connections before are closed")
