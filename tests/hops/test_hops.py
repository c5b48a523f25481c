"""How many functions of pack-db a call passes, in the client and in the daemon together.

A guard against growth: the numbers are only ever lowered.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from tests.hops.own_functions import own_function
from tests.support.daemon_process import DaemonProcess

MOST_OF_A_WRITE = 50
MOST_OF_A_QUERY = 35

_LOOKS = "router_transport.py RouterTransport._answer_waiting"
_TAKES = "router_transport.py RouterTransport._take_one"
_SENDS = "router_transport.py RouterTransport._send"


@pytest.fixture
def trace(short_path: Path) -> Path:
    return short_path / "trace"


@pytest.fixture
def tracing_daemon(short_path: Path, trace: Path) -> Iterator[DaemonProcess]:
    command = [sys.executable, "-m", "tests.hops.tracing_daemon", str(trace)]
    daemon = DaemonProcess(short_path, command=command)
    daemon.start()
    yield daemon
    daemon.clean_up()


def functions_of(call: Callable[[], object]) -> list[str]:
    """What the client calls."""
    found: list[str] = []

    def note(frame: object, event: str, argument: object) -> None:
        if (name := own_function(frame, event)) is not None:
            found.append(name)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


def functions_by_request(trace: Path) -> list[list[str]]:
    """What the daemon calls for each request, from looking at the socket on."""
    requests: list[list[str]] = []
    is_request = False
    for line in trace.read_text().splitlines():
        if line == _TAKES:
            is_request = True
            requests.append([_LOOKS])
        elif line == _LOOKS:
            is_request = False
        if is_request:
            requests[-1].append(line)
    return requests


def test_a_call_passes_few_functions(tracing_daemon: DaemonProcess, trace: Path) -> None:
    with tracing_daemon.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))

        def consume() -> None:
            db.tokens.consume_tokens(account.id, 1)

        def get() -> None:
            db.accounts.get_account(account.id)

        for most, call in ((MOST_OF_A_WRITE, consume), (MOST_OF_A_QUERY, get)):
            call()  # now that is made which is made once
            by_client = functions_of(call)
            db.ping()  # now the daemon is at the end of the call before
            *_, by_daemon, ping = functions_by_request(trace)
            assert "local_daemon_service.py LocalDaemonService.ping" in ping
            assert _SENDS in by_daemon
            passed = by_client + by_daemon
            assert len(passed) <= most, "\n".join(passed)
