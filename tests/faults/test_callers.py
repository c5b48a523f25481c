"""Who is calling, and may they."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pack_db_client import PackDb, PermissionDenied
from pack_db_client.protocol.replies import decode_reply
from tests.faults.conditions import NOBODY, as_nobody, needs_root
from tests.faults.good_client import good_client
from tests.faults.zmtp_peer import ZmtpPeer, req_message
from tests.support.daemon_process import DaemonProcess
from tests.wire.raw_client import request

pytestmark = needs_root

_PING = req_message(request(["daemon.ping", []], deadline_ns=0))


def _daemon(short_path: Path, **allowed: str) -> DaemonProcess:
    """One whose socket everybody can open."""
    short_path.chmod(0o711)
    daemon = DaemonProcess(short_path, {"SOCKET_MODE": "0666", **allowed})
    daemon.start()
    return daemon


@pytest.fixture
def roots(short_path: Path) -> Iterator[DaemonProcess]:
    daemon = _daemon(short_path, ALLOWED_UIDS="0")
    yield daemon
    daemon.clean_up()


def _code(peer: ZmtpPeer, message: bytes) -> object:
    """The code of the answer; 0 is success."""
    peer.send(message)
    [[code, *_]] = decode_reply(peer.reply())[1]
    return code


def _connected_as_nobody(daemon: DaemonProcess) -> ZmtpPeer:
    with as_nobody():
        return ZmtpPeer(daemon.socket_path)


def test_row_15_a_user_who_is_not_allowed_is_told_so_and_nothing_is_dispatched(
    roots: DaemonProcess,
) -> None:
    with good_client(roots.socket_path) as good:
        before = _pings(roots)
        with as_nobody(), PackDb(roots.socket_path, timeout_s=20) as db:
            for _ in range(3):
                with pytest.raises(PermissionDenied, match="ALLOWED_UIDS"):
                    db.ping()
        good.wait_for_answers(5)
        assert _pings(roots) == before
    assert roots.log.count(f"user {NOBODY} with group {NOBODY} called and was refused") == 1


def _pings(daemon: DaemonProcess) -> int:
    with daemon.client() as db:
        return sum(m.calls for m in db.status().methods if m.method == "daemon.ping")


def test_row_15_what_a_refused_user_sends_is_not_even_read(roots: DaemonProcess) -> None:
    with _connected_as_nobody(roots) as peer:
        peer.shake_hands()
        assert _code(peer, req_message(b"\xc1 no msgpack")) == "permission_denied"
        assert _code(peer, _PING) == "permission_denied"


@pytest.mark.parametrize(
    ("allowed", "code"),
    [
        ({}, 0),
        ({"ALLOWED_UIDS": "0, 65534"}, 0),
        ({"ALLOWED_UIDS": "0", "ALLOWED_GIDS": "65534"}, 0),
        ({"ALLOWED_GIDS": "65534"}, 0),
        ({"ALLOWED_GIDS": "0"}, "permission_denied"),
    ],
)
def test_row_15_a_user_is_let_in_by_uid_or_by_gid(
    short_path: Path, allowed: dict[str, str], code: object
) -> None:
    daemon = _daemon(short_path, **allowed)
    try:
        with _connected_as_nobody(daemon) as peer:
            peer.shake_hands()
            assert _code(peer, _PING) == code
    finally:
        daemon.clean_up()


@pytest.mark.parametrize("name", [b"Peer-Address", b"User-Id"])
def test_row_13_a_forged_property_changes_nothing(roots: DaemonProcess, name: bytes) -> None:
    forged = {b"Peer-Address": b"localhost:0:0:1", b"User-Id": b"0"}
    with _connected_as_nobody(roots) as peer:
        peer.shake_hands({name: forged[name]})
        assert _code(peer, _PING) == "permission_denied"
    with ZmtpPeer(roots.socket_path) as peer:
        peer.shake_hands({b"Peer-Address": b"localhost:65534:65534:1", b"User-Id": b"65534"})
        assert _code(peer, _PING) == 0


def test_row_14_a_connection_belongs_to_whoever_opened_it(roots: DaemonProcess) -> None:
    with ZmtpPeer(roots.socket_path) as peer, as_nobody():
        peer.shake_hands()
        assert _code(peer, _PING) == 0  # opened by root, used by nobody
    with _connected_as_nobody(roots) as peer:
        peer.shake_hands()
        assert _code(peer, _PING) == "permission_denied"  # and the other way round
