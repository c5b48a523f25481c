"""What is around a request on its way: the frames that lead its reply back, and who sent it."""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from pack_db_client import Account, PackDb, PermissionDenied
from pack_db_client.protocol.replies import decode_reply
from tests.faults.conditions import as_nobody, needs_root
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.wire.raw_client import request

PING = ["daemon.ping", []]

Dealer = Callable[[], "zmq.Socket[bytes]"]


@pytest.fixture
def new_dealer(wire_daemon: DaemonProcess) -> Iterator[Dealer]:
    """Makes peers that write their envelopes themselves and may send on without an answer."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with ExitStack() as stack:
        stack.callback(context.destroy, linger=0)

        def connect() -> "zmq.Socket[bytes]":
            socket = stack.enter_context(context.socket(zmq.DEALER))
            socket.rcvtimeo = int(PATIENCE_S * 1000)
            socket.connect(f"ipc://{wire_daemon.socket_path}")
            return socket

        yield connect


def _codes(reply: bytes) -> list[object]:
    return [result[0] for result in decode_reply(reply)[1]]


@pytest.mark.parametrize(
    "frames",
    [[request(PING)], [b""], [b"a", b"b", b"c"], [b"a", b""]],
    ids=["no delimiter", "only one", "an envelope alone", "a closed envelope alone"],
)
def test_row_7_a_message_without_delimiter_or_body_is_ignored(
    new_dealer: Dealer, frames: list[bytes]
) -> None:
    dealer = new_dealer()
    dealer.send_multipart(frames)
    dealer.send_multipart([b"", request(PING)])
    assert _codes(dealer.recv_multipart()[1]) == [0]


@pytest.mark.parametrize(
    "body", [[request(PING), b""], [b"a", b"b", b"c"], [b""]], ids=["two", "three", "empty"]
)
def test_row_8_a_body_in_parts_or_empty_is_a_bad_request(
    new_dealer: Dealer, body: list[bytes]
) -> None:
    dealer = new_dealer()
    dealer.send_multipart([b"", *body])
    assert _codes(dealer.recv_multipart()[1]) == ["bad_request"]
    dealer.send_multipart([b"", request(PING)])
    assert _codes(dealer.recv_multipart()[1]) == [0]


@pytest.mark.parametrize("length", [0, 1, 2, 50])
def test_the_reply_comes_back_in_the_envelope_of_its_request(
    new_dealer: Dealer, length: int
) -> None:
    envelope = [b"%d" % number * 100 for number in range(length)]
    dealer = new_dealer()
    for body in (request(PING), request(["daemon.status", []]), b"nonsense"):
        dealer.send_multipart([*envelope, b"", body])
        *way_back, delimiter, reply = dealer.recv_multipart()
        assert (way_back, delimiter) == (envelope, b"")
        assert len(_codes(reply)) == 1


def test_what_one_peer_sends_at_once_is_answered_in_the_order_in_which_it_came(
    wire_daemon: DaemonProcess, new_dealer: Dealer, account: Account
) -> None:
    write, read = ["tokens.top_up", [account.id, 1]], ["tokens.get_balance", [account.id]]
    peers = [new_dealer() for _ in range(4)]
    for peer in peers:  # they are connected
        peer.send_multipart([b"", request(PING)])
        peer.recv_multipart()
    for _ in range(10):
        # Stopped, the daemon finds all of it waiting afterwards.
        wire_daemon.send_signal(signal.SIGSTOP)
        sent = [
            [request(call, sequence=number, client_id=b"%16d" % n) for number, call in calls]
            for n, calls in enumerate(_numbered(write, read) for _ in peers)
        ]
        for peer, messages in zip(peers, sent, strict=True):
            for message in messages:
                peer.send_multipart([b"", message])
        wire_daemon.send_signal(signal.SIGCONT)
        for peer, messages in zip(peers, sent, strict=True):
            answered = [decode_reply(peer.recv_multipart()[1]) for _ in messages]
            sequences = [sequence for sequence, _, _ in answered]
            assert sequences == sorted(sequences)
            balances = [value["topup_remaining"] for _, [[_, value]], _ in answered]
            assert balances == sorted(balances)


_numbers = itertools.count(1)


def _numbered(write: object, read: object) -> list[tuple[int, object]]:
    return [(next(_numbers), call) for call in (write, read, write, read)]


@needs_root
@pytest.mark.parametrize("workers", ["1", "8"])
def test_row_15_a_user_who_is_not_allowed_is_told_so(short_path: Path, workers: str) -> None:
    short_path.chmod(0o711)
    daemon = DaemonProcess(
        short_path, {"SOCKET_MODE": "0666", "ALLOWED_UIDS": "0", "WORKERS": workers}
    )
    try:
        daemon.start()
        with daemon.client() as root:
            root.ping()
            with (
                as_nobody(),
                PackDb(daemon.socket_path, timeout_s=PATIENCE_S) as nobody,
                pytest.raises(PermissionDenied, match="ALLOWED_UIDS"),
            ):
                nobody.ping()
            root.ping()
    finally:
        daemon.clean_up()
