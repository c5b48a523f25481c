"""Peers that shake hands and then misbehave."""

import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from pack_db_client import Account, CreateAccountInput, PackDb
from pack_db_client.protocol.replies import decode_reply
from tests.faults.conditions import descriptor_count, memory_mib, wait_until
from tests.faults.good_client import GoodClient, good_client
from tests.faults.zmtp_peer import ZmtpPeer, frame, req_message
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.wire.raw_client import deadline_in, request

_PING = ["daemon.ping", []]

_SPENDER = """
import sys
from pack_db_client import PackDb

db = PackDb(sys.argv[1])
while True:
    db.tokens.consume_tokens(sys.argv[2], 1)
    print(flush=True)
"""


@pytest.fixture
def path(shared_daemon: DaemonProcess) -> Path:
    return shared_daemon.socket_path


@pytest.fixture
def peer(path: Path) -> Iterator[ZmtpPeer]:
    with ZmtpPeer(path) as peer:
        peer.shake_hands()
        yield peer


@pytest.fixture
def db(shared_daemon: DaemonProcess) -> Iterator[PackDb]:
    with shared_daemon.client() as db:
        yield db


@pytest.fixture
def dealer(path: Path) -> "Iterator[zmq.Socket[bytes]]":
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.rcvtimeo = int(PATIENCE_S * 1000)
    socket.connect(f"ipc://{path}")
    yield socket
    context.destroy(linger=0)


@pytest.fixture
def account(db: PackDb) -> Account:
    email = f"{time.monotonic_ns()}@example.com"
    return db.accounts.create_account(CreateAccountInput(email=email, token_remaining=10**6))


def _codes(reply: bytes) -> list[object]:
    return [result[0] for result in decode_reply(reply)[1]]


def test_row_6_a_message_without_end_costs_only_memory_and_gives_it_back(
    shared_daemon: DaemonProcess, good: GoodClient, path: Path
) -> None:
    before = memory_mib(shared_daemon.pid)
    part = frame(bytes(250_000), more=True)
    for _ in range(4):
        with ZmtpPeer(path) as peer:
            peer.shake_hands()
            peer.send(frame(b"", more=True))
            for _ in range(800):  # 200 MB
                peer.send(part)
            wait_until(lambda: memory_mib(shared_daemon.pid) > before + 150, "it was taken in")
            good.wait_for_answers(20)
    # What malloc keeps for next time is no leak.
    wait_until(lambda: memory_mib(shared_daemon.pid) < before + 250, "the memory is back")


@pytest.mark.parametrize("parts", [[b"no delimiter"], [b""]], ids=["no delimiter", "only one"])
def test_row_7_a_message_without_delimiter_or_body_is_ignored(
    good: GoodClient, dealer: "zmq.Socket[bytes]", parts: list[bytes]
) -> None:
    dealer.send_multipart(parts)
    dealer.send_multipart([b"", request(_PING)])
    assert _codes(dealer.recv_multipart()[1]) == [0]


@pytest.mark.parametrize(
    "body", [[request(_PING), b""], [b"a", b"b", b"c"], [b""]], ids=["two", "three", "empty"]
)
def test_row_8_a_body_in_parts_or_empty_is_a_bad_request(
    good: GoodClient, dealer: "zmq.Socket[bytes]", body: list[bytes]
) -> None:
    dealer.send_multipart([b"", *body])
    assert _codes(dealer.recv_multipart()[1]) == ["bad_request"]
    dealer.send_multipart([b"", request(_PING)])
    assert _codes(dealer.recv_multipart()[1]) == [0]


def test_row_9_replies_never_read_are_dropped_and_take_little_memory() -> None:
    # A daemon of its own: what others left free in malloc would hide what is taken here.
    with (
        running_daemon() as daemon,
        good_client(daemon.socket_path),
        daemon.client() as db,
        ZmtpPeer(daemon.socket_path) as peer,
    ):
        peer.shake_hands()
        email = f"{'x' * 200}@example.com"
        account = db.accounts.create_account(CreateAccountInput(email=email))
        call = ["accounts.get_account", [account.id]]
        message = req_message(request(call, deadline_ns=deadline_in(60)))
        before = memory_mib(daemon.pid)
        for _ in range(100):
            peer.send(message * 1000)
        wait_until(
            lambda: _served(db, "accounts.get_account") == 100_000, "all requests were served"
        )
        assert memory_mib(daemon.pid) < before + 10  # 54 MiB if none were dropped


def _served(db: PackDb, method: str) -> int:
    return sum(m.calls for m in db.status().methods if m.method == method)


def test_row_10_a_hundred_flooding_peers_make_others_slower_only(
    good: GoodClient, path: Path
) -> None:
    message = req_message(request(_PING))
    with ExitStack() as stack:
        peers = [stack.enter_context(ZmtpPeer(path)) for _ in range(100)]
        for peer in peers:
            peer.shake_hands()
        poller = select.poll()
        by_fd = {peer.fileno(): peer for peer in peers}
        for fd in by_fd:
            poller.register(fd, select.POLLIN | select.POLLOUT)
        answered = 0
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for fd, events in poller.poll(100):
                if events & select.POLLIN:
                    answered += by_fd[fd].discard()
                if events & select.POLLOUT:
                    by_fd[fd].send(message)
        assert answered
        good.wait_for_answers(5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_row_12_a_client_that_dies_or_stops_in_mid_request_is_nobody_elses_problem(
    shared_daemon: DaemonProcess,
    good: GoodClient,
    db: PackDb,
    account: Account,
    path: Path,
    number: signal.Signals,
) -> None:
    _wait_for_two_connections(db)
    descriptors = descriptor_count(shared_daemon.pid)
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", _SPENDER, str(path), account.id], stdout=subprocess.PIPE
        ) as spender:
            assert spender.stdout is not None
            for _ in range(20):
                assert spender.stdout.readline()
            spender.send_signal(number)
            good.wait_for_answers(5)
            spender.kill()
    entries = db.tokens.list_entries(account.id, limit=500)
    assert sum(entry.amount for entry in entries) == db.tokens.get_balance(account.id).total
    _wait_for_two_connections(db)
    wait_until(
        lambda: descriptor_count(shared_daemon.pid) == descriptors, "their descriptors were freed"
    )


def test_row_12_a_client_that_closes_in_mid_request_is_nobody_elses_problem(
    good: GoodClient, db: PackDb, account: Account, path: Path
) -> None:
    call = ["tokens.consume_tokens", [account.id, 1]]
    for number in range(100):
        with ZmtpPeer(path) as peer:
            peer.shake_hands()
            message = req_message(request(call, sequence=number + 1, client_id=bytes(16)))
            peer.send(message if number % 2 else message[:-10])
    _wait_for_two_connections(db)

    def spent() -> int:
        return account.token_remaining - db.tokens.get_balance(account.id).total

    # What was sent whole is done, also after its connection has gone.
    wait_until(
        lambda: len(db.tokens.list_entries(account.id, limit=500)) == 1 + spent(),
        "balance and ledger say the same",
    )
    assert 0 <= spent() <= 50


def _wait_for_two_connections(db: PackDb) -> None:
    wait_until(lambda: db.status().connections == 2, "only the two good clients are connected")
