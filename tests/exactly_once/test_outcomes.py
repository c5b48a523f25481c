"""Every call ends by its timeout, and its error says what became of it."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import pytest

from pack_db_client import (
    Account,
    CallTimeout,
    ClientClosed,
    CreateAccountInput,
    MessageTooLarge,
    NoDaemon,
    OutcomeUnknown,
    PackDb,
    PermissionDenied,
)
from tests.exactly_once.child import as_nobody, forks, needs_root
from tests.exactly_once.ledger import consumed
from tests.exactly_once.timing import ends_within
from tests.support.daemon_process import DaemonProcess

TIMEOUT_S = 1.0  # a loaded machine may need a while to send
NOBODYS_ID = "018f6f5e-0000-7000-8000-000000000000"


@pytest.fixture
def impatient(db: PackDb) -> PackDb:
    return db.with_timeout(TIMEOUT_S)


@pytest.fixture
def stopped(daemon: DaemonProcess, db: PackDb, account: Account) -> Iterator[DaemonProcess]:
    """The daemon, there but not running, after it has served `db`."""
    daemon.send_signal(signal.SIGSTOP)
    yield daemon
    daemon.send_signal(signal.SIGCONT)


def test_without_a_daemon_nothing_is_sent(short_path: Path) -> None:
    with (
        PackDb(short_path / "s", timeout_s=TIMEOUT_S) as client,
        ends_within(TIMEOUT_S),
        pytest.raises(NoDaemon, match="pack-db serve"),
    ):
        client.tokens.consume_tokens(NOBODYS_ID, 1)


def test_a_socket_that_a_dead_daemon_left_is_no_daemon(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(short_path / "s"))
    with (
        PackDb(short_path / "s", timeout_s=TIMEOUT_S) as client,
        ends_within(TIMEOUT_S),
        pytest.raises(NoDaemon),
    ):
        client.tokens.consume_tokens(NOBODYS_ID, 1)


def test_a_daemon_that_starts_in_time_is_waited_for(short_path: Path) -> None:
    daemon = DaemonProcess(short_path)
    with daemon.client() as client:
        starting = threading.Thread(target=daemon.start)
        starting.start()
        try:
            assert client.ping()
        finally:
            starting.join()
            daemon.clean_up()


@forks
@needs_root
def test_a_user_whom_the_socket_does_not_let_in_is_told_so_at_once(
    daemon: DaemonProcess,
) -> None:
    daemon.directory.chmod(0o711)

    def call() -> str:
        with PackDb(daemon.socket_path, timeout_s=60) as client:
            try:
                return client.ping()
            except PermissionDenied as error:
                return str(error)

    with ends_within(2):
        answer = as_nobody(call)

    assert "no permission" in answer
    assert str(daemon.socket_path) in answer


def test_a_query_to_a_stopped_daemon_times_out(
    stopped: DaemonProcess, impatient: PackDb, account: Account
) -> None:
    with ends_within(TIMEOUT_S), pytest.raises(CallTimeout) as raised:
        impatient.tokens.get_balance(account.id)

    assert type(raised.value) is CallTimeout


def test_signals_during_a_call_do_not_prolong_it(
    stopped: DaemonProcess, impatient: PackDb, account: Account
) -> None:
    """As a profiler sends them."""
    give_up = time.monotonic() + 30

    def go_on(number: int, frame: FrameType | None) -> None:
        assert time.monotonic() < give_up

    before = signal.signal(signal.SIGALRM, go_on)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        with ends_within(TIMEOUT_S), pytest.raises(CallTimeout):
            impatient.tokens.get_balance(account.id)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_write_to_a_stopped_daemon_has_an_unknown_outcome(
    stopped: DaemonProcess, impatient: PackDb, account: Account
) -> None:
    with ends_within(TIMEOUT_S), pytest.raises(OutcomeUnknown):
        impatient.tokens.consume_tokens(account.id, 1)


def test_a_new_client_of_a_stopped_daemon_has_sent_nothing(
    stopped: DaemonProcess, account: Account
) -> None:
    # The daemon has not answered its handshake, so there is nobody yet to send to.
    with (
        stopped.client(TIMEOUT_S) as newcomer,
        ends_within(TIMEOUT_S),
        pytest.raises(CallTimeout, match="nothing was sent") as raised,
    ):
        newcomer.tokens.consume_tokens(account.id, 1)

    assert type(raised.value) is CallTimeout


def test_a_daemon_that_comes_back_does_not_do_what_was_given_up(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(daemon.client()) for _ in range(5)]
        for client in clients:
            client.ping()
        daemon.send_signal(signal.SIGSTOP)
        for client in clients:
            with pytest.raises(OutcomeUnknown):
                client.with_timeout(TIMEOUT_S / 2).tokens.consume_tokens(account.id, 1)
        daemon.send_signal(signal.SIGCONT)
        for client in clients:
            client.ping()  # on the same connection, so what came before has been read

    assert consumed(db, account.id) == []


def test_a_call_that_is_in_time_is_done_when_the_daemon_comes_back(
    stopped: DaemonProcess, db: PackDb, account: Account
) -> None:
    waking = threading.Timer(1.5, stopped.send_signal, [signal.SIGCONT])
    waking.start()
    db.tokens.consume_tokens(account.id, 5)
    waking.join()

    assert consumed(db, account.id) == [5]


def test_a_message_too_large_is_refused_before_it_is_sent(short_path: Path) -> None:
    with (
        PackDb(short_path / "nobody-listens-here") as client,
        pytest.raises(MessageTooLarge, match="MAX_MESSAGE_BYTES") as raised,
    ):
        client.accounts.create_account(CreateAccountInput(email="a" * 300_000))

    assert raised.value.size > raised.value.limit


def test_a_client_goes_on_after_a_message_too_large(db: PackDb) -> None:
    with pytest.raises(MessageTooLarge):
        db.accounts.create_account(CreateAccountInput(email="a" * 300_000))

    assert db.ping()


def test_a_closed_client_says_so(db: PackDb) -> None:
    db.close()

    with pytest.raises(ClientClosed):
        db.ping()
    db.close()


def test_a_client_goes_on_after_a_timeout(
    daemon: DaemonProcess, impatient: PackDb, db: PackDb, account: Account
) -> None:
    before = db.tokens.get_balance(account.id)
    daemon.send_signal(signal.SIGSTOP)
    for _ in range(3):
        with pytest.raises(CallTimeout):
            impatient.ping()
    daemon.send_signal(signal.SIGCONT)

    assert db.tokens.get_balance(account.id) == before
