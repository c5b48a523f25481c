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
from tests.faults.conditions import descriptor_count, wait_until
from tests.faults.good_client import good_client
from tests.faults.zmtp_peer import ZmtpPeer
from tests.support.daemon_process import DaemonProcess

_DESCRIPTORS = 4096
_MOST = 1024  # connections

pytestmark = pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < _DESCRIPTORS,
    reason=f"a process may open fewer than {_DESCRIPTORS} files here",
)

_LIMITED = f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {_DESCRIPTORS}))
os.execv(sys.executable, [sys.executable, "-m", "pack_db_daemon", "serve"])
"""

_HOARDER = """
import socket, sys
connections = []
for _ in range(900):
    connections.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    connections[-1].connect(sys.argv[1])
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def limited(short_path: Path) -> Iterator[DaemonProcess]:
    """A daemon that may have 4096 descriptors, and starts with 256."""
    daemon = DaemonProcess(short_path, command=[sys.executable, "-c", _LIMITED])
    daemon.start()
    yield daemon
    daemon.clean_up()


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


def test_row_11_of_too_many_connections_the_oldest_are_closed(limited: DaemonProcess) -> None:
    with good_client(limited.socket_path) as good:
        with _hoarders(limited.socket_path, 8):  # 7,200 connections
            good.wait_for_answers(20)
            with limited.client() as db:  # a new client is let in, too
                wait_until(lambda: db.status().connections <= _MOST, "the oldest were closed")
        with limited.client() as db:
            wait_until(lambda: db.status().connections == 2, "all hoarders have gone")
            assert descriptor_count(limited.pid) < 50
    assert limited.log.count("more than 1024 connections; the oldest was closed") == 1


def test_row_11_a_daemon_with_few_descriptors_says_so(short_path: Path) -> None:
    few = _LIMITED.replace(str(_DESCRIPTORS), "300")
    daemon = DaemonProcess(short_path, command=[sys.executable, "-c", few])
    daemon.start()
    try:
        with ExitStack() as stack, daemon.client() as db:
            assert db.ping()
            assert "this process may open 300 files" in daemon.log
            for _ in range(100):
                peer = stack.enter_context(ZmtpPeer(daemon.socket_path))
                peer.shake_hands()
            wait_until(lambda: db.status().connections <= 75, "the oldest were closed")
    finally:
        daemon.clean_up()


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
