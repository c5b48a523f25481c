import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pack_db_client import CallTimeout, CreateAccountInput, Unavailable
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

_WAITING = Path(__file__).with_name("waiting_daemon.py")
_AT_ONCE_S = 15.0  # under 1 s on a machine that has nothing else to do

stopping = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


def _wait_for(path: Path) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < give_up, f"{path} does not appear"
        time.sleep(0.005)


def _stop(daemon: DaemonProcess, number: signal.Signals) -> None:
    asked = time.monotonic()
    assert daemon.stop(number) == 0
    assert time.monotonic() - asked < _AT_ONCE_S
    assert not daemon.socket_path.exists()


@stopping
def test_an_idle_daemon_stops_at_once(daemon: DaemonProcess, number: signal.Signals) -> None:
    _stop(daemon, number)


@pytest.fixture
def waiting(short_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(short_path, command=[sys.executable, str(_WAITING)])
    daemon.start()
    yield daemon
    daemon.clean_up()


@stopping
def test_the_message_in_hand_is_finished_and_answered(
    waiting: DaemonProcess, number: signal.Signals
) -> None:
    with waiting.client() as db, ThreadPoolExecutor() as pool:
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        answer = pool.submit(db.tokens.consume_tokens, account.id, 10)
        _wait_for(waiting.directory / "entered")
        waiting.send_signal(number)
        waiting.send_signal(number)
        (waiting.directory / "go").touch()
        assert waiting.wait() == 0

        # When a connection ends at once behind an answer, the client's libzmq may throw the answer
        # away with it (`hiccuped` of its socket_base.cpp). Then the next daemon has it.
        waiting.start()
        assert answer.result().token_remaining == account.token_remaining - 10
        assert db.tokens.get_balance(account.id) == answer.result()


@stopping
def test_a_flooded_daemon_stops_at_once(daemon: DaemonProcess, number: signal.Signals) -> None:
    answered = threading.Barrier(5)

    def flood() -> None:
        with daemon.client() as db:
            db.ping()
            answered.wait(PATIENCE_S)
            hasty = db.with_timeout(2)
            try:
                while True:
                    hasty.ping()
            except (Unavailable, CallTimeout):
                return  # nobody starts the daemon again

    with ThreadPoolExecutor(4) as pool:
        floods = [pool.submit(flood) for _ in range(4)]
        answered.wait(PATIENCE_S)
        _stop(daemon, number)
        for each in floods:
            each.result()


def test_a_signal_that_is_no_stop_does_not_keep_the_daemon_busy(daemon: DaemonProcess) -> None:
    daemon.send_signal(signal.SIGHUP)
    give_up = time.monotonic() + PATIENCE_S
    while "re-read the log level" not in daemon.log:
        assert time.monotonic() < give_up
        time.sleep(0.005)
    before = _cpu_s(daemon.pid)
    idle_until = time.monotonic() + 1.0
    with daemon.client() as db:
        while time.monotonic() < idle_until:
            time.sleep(0.1)
        assert db.ping()
    assert _cpu_s(daemon.pid) - before < 0.5  # a loop that spins would use the whole second


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
