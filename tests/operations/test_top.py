import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from pack_db.errors import InvalidInput
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.operations.terminal_view import TerminalView
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

QUIET, BUSY, OWN = "accounts.create_account", "tokens.get_balance", "daemon.status"


@contextmanager
def load(daemon: DaemonProcess) -> Iterator[None]:
    """Call BUSY all the time, every second time in vain, after one call of QUIET."""
    ended = threading.Event()

    def call(db: PackDb, account_id: str) -> None:
        while not ended.is_set():
            db.tokens.get_balance(account_id)
            with suppress(InvalidInput):
                db.tokens.get_balance("bad")

    with daemon.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        thread = threading.Thread(target=call, args=(db, account.id))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@pytest.fixture
def view(daemon: DaemonProcess) -> Iterator[TerminalView]:
    view = TerminalView(daemon, "q quit", "top", "--interval", "0.2")
    yield view
    view.close()


def shows(*methods: str) -> Callable[[str], bool]:
    """These methods and no others, in this order."""
    return lambda screen: re.findall(r"^(\w+\.\w+) ", screen, re.MULTILINE) == list(methods)


def test_once_as_json_tells_all(daemon: DaemonProcess, command: PackDbCommand) -> None:
    with load(daemon):
        seen = command.json("top", "--once", "--interval", "0.5", "--json")
    assert seen["pid"] == daemon.pid
    assert 0.5 <= seen["measured_s"] < 20
    assert seen["methods"][0]["method"] == BUSY
    methods = {row["method"]: row for row in seen["methods"]}
    calls = methods[BUSY]["calls_per_second"] * seen["measured_s"]
    failed = methods[BUSY]["failed_per_second"] * seen["measured_s"]
    assert calls > 0
    assert abs(failed - calls / 2) < 2
    assert 0 < methods[BUSY]["p50_us"] <= methods[BUSY]["p99_us"]
    assert methods[QUIET]["calls_per_second"] == 0
    total = sum(row["calls_per_second"] for row in methods.values())
    assert abs(seen["calls_per_second"] - total) < 1
    assert abs(seen["messages_per_second"] - total) * seen["measured_s"] < 5  # on their way
    assert 0 <= seen["waited"] <= 1
    assert seen["database"]["size_bytes"] == daemon.database_path.stat().st_size
    assert seen["database"]["log_bytes"] > 0
    assert seen["connections"] == 2
    assert [process["connections"] for process in seen["processes"]] == [1, 1]


def test_where_no_terminal_is_it_measures_once(
    daemon: DaemonProcess, command: PackDbCommand
) -> None:
    with load(daemon):
        shown = command.text("top", "--interval", "0.1")
    assert "calls per second" in shown
    assert re.search(rf"^{BUSY} +[\d.]+ +[\d.]+ +\d", shown, re.MULTILINE)
    assert "\x1b" not in shown
    seen = json.loads(command.text("top", "--interval", "0.1", "--json"))
    assert seen["methods"][0]["method"] == OWN


def test_a_view_is_sorted_by_keys_and_leaves_the_terminal_as_it_was(
    daemon: DaemonProcess, view: TerminalView
) -> None:
    with load(daemon):
        screen = view.wait_until(shows(BUSY, OWN, QUIET))
        for text in (
            f"process {daemon.pid}",
            "of the messages had to wait",
            "KiB, and its log",
            "CALLS/S",
        ):
            assert text in screen
        view.type("m\x1b[15~\x1a?")  # and F5, Ctrl-Z and another key, which mean nothing
        view.wait_until(shows(QUIET, OWN, BUSY))
        view.type("c")
        view.wait_until(shows(BUSY, OWN, QUIET))
    view.type("q")
    assert view.end() == (0, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_view_leaves_the_terminal_as_it_was(
    view: TerminalView, number: signal.Signals
) -> None:
    view.wait_until(shows(OWN))
    view.process.send_signal(number)
    assert view.end() == (130, True)


def test_a_view_goes_on_when_the_daemon_is_back(daemon: DaemonProcess, view: TerminalView) -> None:
    view.wait_until(shows(OWN))
    daemon.kill()
    view.wait_until(lambda screen: "no daemon listens" in screen and "trying again" in screen)
    daemon.start()
    view.wait_until(lambda screen: shows(OWN)(screen) and f"process {daemon.pid}" in screen)
    view.type("q")
    assert view.end() == (0, True)
