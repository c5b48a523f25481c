"""More connections than the daemon has descriptors for."""

import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput, PackDb
from pack_db_client.protocol.replies import decode_reply
from tests.faults.conditions import descriptor_count, wait_until
from tests.faults.good_client import good_client
from tests.faults.zmtp_peer import ZmtpPeer, req_message
from tests.support.daemon_process import DaemonProcess
from tests.wire.raw_client import request

_DESCRIPTORS = 4096
_MOST = _DESCRIPTORS - 100  # connections

pytestmark = pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < _DESCRIPTORS,
    reason=f"a process may open fewer than {_DESCRIPTORS} files here",
)

_LIMITED = f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, {_DESCRIPTORS}))
os.execv(sys.executable, [sys.executable, "-m", "pack_db_daemon", "serve"])
"""

_FEW = 300
_MOST_OF_FEW = 200

_HOARDER = """
import socket, sys
connections = []
for _ in range(900):
    connections.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    connections[-1].connect(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def _daemon(directory: Path, descriptors: int) -> Iterator[DaemonProcess]:
    code = _LIMITED.replace(str(_DESCRIPTORS), str(descriptors))
    daemon = DaemonProcess(directory, command=[sys.executable, "-c", code])
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.clean_up()


@pytest.fixture
def limited(short_path: Path) -> Iterator[DaemonProcess]:
    """A daemon that may have 4096 descriptors, and starts with 64."""
    with _daemon(short_path, _DESCRIPTORS) as daemon:
        yield daemon


@contextmanager
def _hoarders(path: Path, count: int) -> Iterator[None]:
    """Processes that each hold 900 connections, or did before they were closed."""
    command = [sys.executable, "-c", _HOARDER, str(path)]
    with ExitStack() as stack:
        hoarders = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
            for _ in range(count)
        ]
        for hoarder in hoarders:
            assert hoarder.stdout is not None
            assert hoarder.stdout.readline()
        yield
        for hoarder in hoarders:
            hoarder.kill()


def test_row_11_the_soft_limit_is_raised_to_the_hard_one(limited: DaemonProcess) -> None:
    with limited.client() as db:
        assert db.ping()
    assert resource.prlimit(limited.pid, resource.RLIMIT_NOFILE) == (_DESCRIPTORS, _DESCRIPTORS)


def test_row_11_too_many_connections_harm_nobody(limited: DaemonProcess) -> None:
    with good_client(limited.socket_path) as good:
        with _hoarders(limited.socket_path, 8):  # 7,200 connections
            good.wait_for_answers(20)
            with limited.client() as db:  # in place of those that never shook hands
                wait_until(lambda: db.status().connections <= _MOST, "no more are let in")
        with limited.client() as db:
            wait_until(lambda: db.status().connections == 2, "all hoarders have gone")
            assert descriptor_count(limited.pid) < 50
    assert limited.log.count(f"there are {_MOST} connections, and no descriptors for more") == 1


@pytest.mark.parametrize("descriptors", [64, 256, 1024])
def test_row_11_a_flood_does_not_end_a_daemon_with_few_descriptors(
    short_path: Path, descriptors: int
) -> None:
    with _daemon(short_path, descriptors) as daemon, good_client(daemon.socket_path) as good:
        assert f"this process may open {descriptors} files" in daemon.log
        for _ in range(3):
            with _hoarders(daemon.socket_path, 2):
                good.wait_for_answers(20)
        with daemon.client() as db:
            wait_until(lambda: db.status().connections == 2, "all hoarders have gone")


def test_row_74_above_the_most_the_newest_is_refused_and_nobody_inside_notices(
    short_path: Path,
) -> None:
    with _daemon(short_path, _FEW) as daemon, ExitStack() as stack:
        inside = [stack.enter_context(ZmtpPeer(daemon.socket_path)) for _ in range(_MOST_OF_FEW)]
        for peer in inside:
            peer.shake_hands()
        for _ in range(100):
            with ZmtpPeer(daemon.socket_path) as outside:
                outside.wait_until_closed()
        for peer in inside:
            peer.send(req_message(request(["daemon.ping", []])))
        for peer in inside:
            assert decode_reply(peer.reply())[1][0][0] == 0
        inside[0].close()
        with daemon.client() as db:
            assert db.ping()  # in its place
            wait_until(lambda: db.status().connections == _MOST_OF_FEW, "all are counted")
        assert daemon.log.count("and no descriptors for more; a new one was refused") == 1


def test_row_74_two_thousand_idle_clients_are_no_fault(limited: DaemonProcess) -> None:
    with good_client(limited.socket_path) as good, ExitStack() as stack:
        for _ in range(2000):
            stack.enter_context(ZmtpPeer(limited.socket_path)).shake_hands()
        good.wait_for_answers(20)
        with limited.client() as db:
            # They are counted by a thread of its own.
            wait_until(lambda: db.status().connections == 2002, "all are counted")
    assert "refused" not in limited.log


def test_row_11_a_daemon_that_a_flood_has_ended_has_lost_nothing(short_path: Path) -> None:
    daemon = DaemonProcess(short_path)
    daemon.start()
    try:
        with daemon.client() as db, ThreadPoolExecutor() as pool:
            email = "topped-up@example.com"
            account = db.accounts.create_account(CreateAccountInput(email=email, token_remaining=0))
            stopped = threading.Event()
            acknowledged = pool.submit(_top_up_until, stopped, db, account.id)
            try:
                # As when a flood has taken all descriptors; whether it gets so far is luck.
                resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (8, 8))
                with ZmtpPeer(daemon.socket_path):
                    assert daemon.wait() == -signal.SIGABRT
                assert "Too many open files" in daemon.log
                daemon.start()
                db.ping()  # in turn behind the call that waited for the restart
            finally:
                stopped.set()
            assert acknowledged.result() > 0
            assert db.tokens.get_balance(account.id).total == acknowledged.result()
    finally:
        daemon.clean_up()


def _top_up_until(stopped: threading.Event, db: PackDb, account_id: str) -> int:
    """Top up by 1 until `stopped`; returns how often that was acknowledged."""
    acknowledged = 0
    while not stopped.is_set():
        db.tokens.top_up(account_id, 1)
        acknowledged += 1
    return acknowledged
