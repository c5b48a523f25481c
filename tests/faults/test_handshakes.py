"""Peers that are no ZMTP 3 peers, or stop half-way."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pack_db_client.protocol.replies import decode_reply
from tests.faults.conditions import memory_mib, wait_until
from tests.faults.good_client import GoodClient
from tests.faults.zmtp_peer import (
    SIGNATURE,
    ZmtpPeer,
    frame,
    frame_header,
    greeting,
    ready,
    req_message,
)
from tests.support.daemon_process import DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.wire.raw_client import request

pytestmark = pytest.mark.usefixtures("good")

_PING = ["daemon.ping", []]


def _pings(daemon: DaemonProcess) -> int:
    """How many pings the daemon has served."""
    with daemon.client() as db:
        return sum(m.calls for m in db.status().methods if m.method == "daemon.ping")


@pytest.fixture
def nothing_is_served(shared_daemon: DaemonProcess) -> Iterator[None]:
    before = _pings(shared_daemon)
    yield
    assert _pings(shared_daemon) == before


@pytest.fixture
def path(shared_daemon: DaemonProcess) -> Path:
    return shared_daemon.socket_path


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".ljust(1024),
        bytes(1024),
        b"\x17" + random.Random(1).randbytes(1023),
        b"\xff" + random.Random(2).randbytes(1023),
    ],
    ids=["http", "zeros", "random", "random after a good start"],
)
def test_row_1_bytes_that_are_not_zmtp_are_cut_off(path: Path, data: bytes) -> None:
    with ZmtpPeer(path) as peer:
        peer.send(data)
        peer.wait_until_closed()


@pytest.mark.usefixtures("nothing_is_served")
@pytest.mark.parametrize(
    "start",
    [b"\x01\x00", SIGNATURE + b"\x00", SIGNATURE + b"\x01\x03\x00\x00"],
    ids=["ZMTP 1.0", "ZMTP 1.0 with a signature", "ZMTP 2.0"],
)
def test_row_2_a_peer_of_an_older_zmtp_is_cut_off_and_not_served(path: Path, start: bytes) -> None:
    body = request(_PING)
    with ZmtpPeer(path) as peer:
        peer.send(start + b"\x01\x01" + bytes((len(body) + 1, 0)) + body + req_message(body))
        peer.wait_until_closed()


def test_row_3_half_a_handshake_and_silence_is_cut_off(path: Path) -> None:
    with ExitStack() as stack:
        peers = []
        for size in (0, 1, 10, 11, 63, 64):
            peers.append(stack.enter_context(ZmtpPeer(path)))
            peers[-1].send(greeting()[:size])
        for peer in peers:
            peer.wait_until_closed()  # after two seconds, all of them


@pytest.mark.usefixtures("nothing_is_served")
@pytest.mark.parametrize(
    "handshake",
    [
        greeting() + ready(b"PUB"),
        greeting() + ready(b"NONSENSE"),
        greeting(mechanism=b"PLAIN") + ready(),
        greeting(mechanism=b"\xff" * 20) + ready(),
        greeting() + b"\x04\x10" + b"\x05READY\xff" + bytes(9),
        greeting() + b"\x04\x06" + b"\x05HELLO",
        greeting() + frame(b"a message before the handshake"),
        greeting() + b"\x06" + (2**31).to_bytes(8),
    ],
    ids=[
        "wrong socket type",
        "unknown socket type",
        "wrong mechanism",
        "unreadable mechanism",
        "garbage in READY",
        "no READY",
        "no command",
        "READY of 2 GiB",
    ],
)
def test_row_4_a_bad_handshake_is_cut_off(path: Path, handshake: bytes) -> None:
    with ZmtpPeer(path) as peer:
        peer.send(handshake + req_message(request(_PING)))
        peer.wait_until_closed()


@pytest.mark.parametrize("size", [262_144 + 1, 2**31, 2**63, 2**64 - 1])
def test_row_5_a_frame_over_the_limit_is_cut_off_at_its_header(path: Path, size: int) -> None:
    with ZmtpPeer(path) as peer:
        peer.shake_hands()
        peer.send(frame(b"", more=True) + frame_header(size))
        peer.wait_until_closed()


def test_row_5_a_frame_of_exactly_the_limit_is_served(path: Path) -> None:
    shorter = request(["accounts.get_account_by_email", ["x" * 200_000]])
    padding = 262_144 - len(shorter)
    message = request(["accounts.get_account_by_email", ["x" * (200_000 + padding)]])
    assert len(message) == 262_144
    with ZmtpPeer(path) as peer:
        peer.shake_hands()
        peer.send(req_message(message))
        [result] = decode_reply(peer.reply())[1]
    assert result == [0, None]


def test_rows_1_to_5_leave_no_connection_behind(
    shared_daemon: DaemonProcess, good: GoodClient
) -> None:
    with shared_daemon.client() as db:
        wait_until(lambda: db.status().connections == 2, "only the two good clients are connected")


def test_rows_1_to_5_floods_take_no_more_memory_than_malloc_keeps() -> None:
    after_flood = []
    with running_daemon() as daemon, daemon.client() as db:
        for _ in range(20):
            with ExitStack() as stack:
                for data in [greeting(), greeting() + ready()] * 200:
                    peer = stack.enter_context(ZmtpPeer(daemon.socket_path))
                    peer.send(data)
                    peer.discard()  # the daemon has got as far as its own greeting
            wait_until(lambda: db.status().connections == 1, "they were closed")
            after_flood.append(memory_mib(daemon.pid))
    # One flood holds 10 to 20 MiB while it lasts.
    assert after_flood[-1] < after_flood[4] + 10
