import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pack_db_client import (
    Account,
    BadRequest,
    CreateAccountInput,
    EmailTaken,
    InsufficientTokens,
    MessageTooLarge,
    NoDaemon,
    OutcomeUnknown,
    PackDb,
)
from pack_db_client.protocol.untrusted import MAX_CALLS
from tests.exactly_once.conftest import PLENTY
from tests.exactly_once.crashing_daemon import crashing_daemon_command
from tests.exactly_once.fake_daemon import fake_daemon
from tests.exactly_once.ledger import consumed
from tests.exactly_once.patient_daemon import patient_daemon_command
from tests.support.daemon_process import DaemonProcess


def test_each_call_has_its_own_result_or_error(db: PackDb, account: Account) -> None:
    with db.batch() as batch:
        created = batch.submit(db.accounts.create_account, CreateAccountInput(email="b@c.de"))
        taken = batch.submit(db.accounts.create_account, CreateAccountInput(email="B@c.de"))
        too_much = batch.submit(db.tokens.consume_tokens, account.id, 10**12)
        overdrawn = batch.submit(db.tokens.consume_tokens, account.id, 10**12, allow_overdraft=True)
        balance = batch.submit(db.tokens.get_balance, account.id)

    assert created.result().email == "b@c.de"
    with pytest.raises(EmailTaken):
        taken.result()
    with pytest.raises(InsufficientTokens):
        too_much.result()
    assert overdrawn.result() == balance.result()


def test_a_batch_is_one_message(short_path: Path) -> None:
    with fake_daemon(short_path / "s") as daemon, PackDb(short_path / "s") as client:
        with client.batch() as batch:
            for _ in range(100):
                batch.submit(client.accounts.list_accounts)

        assert [len(request.calls) for request in daemon.requests] == [100]


@pytest.fixture
def trigger(short_path: Path) -> Path:
    return short_path / "crash"


@pytest.fixture
def crashing_daemon(short_path: Path, trigger: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(short_path, command=crashing_daemon_command(trigger))
    daemon.start()
    yield daemon
    daemon.clean_up()


def test_a_batch_is_one_commit(crashing_daemon: DaemonProcess, trigger: Path) -> None:
    with crashing_daemon.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        impatient = db.with_timeout(2)
        trigger.touch()

        with pytest.raises(OutcomeUnknown):
            consume(impatient, account, (1, 2, 3))
        crashing_daemon.wait()  # dead since its first commit
        crashing_daemon.start()

        assert consumed(db, account.id) == [1, 2, 3]


@pytest.fixture
def patient_daemon(short_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(short_path, command=patient_daemon_command())
    daemon.start()
    yield daemon
    daemon.clean_up()


def test_a_batch_is_all_there_for_others_or_not_at_all(patient_daemon: DaemonProcess) -> None:
    totals: set[int] = set()
    daemon, db = patient_daemon, patient_daemon.client()
    account = db.accounts.create_account(
        CreateAccountInput(email="a@example.com", token_remaining=PLENTY)
    )
    done = threading.Event()

    def watch() -> None:
        with daemon.client() as watcher:
            while not done.is_set():
                totals.add(watcher.tokens.get_balance(account.id).total)

    watching = threading.Thread(target=watch)
    watching.start()
    before = db.tokens.get_balance(account.id).total
    for _ in range(20):
        consume(db, account, [1] * 10)
    done.set()
    watching.join()
    db.close()

    assert totals <= {before - 10 * n for n in range(21)}


def test_nothing_is_sent_if_the_block_raises(db: PackDb, account: Account) -> None:
    with suppress(ZeroDivisionError), db.batch() as batch:
        result = batch.submit(db.tokens.consume_tokens, account.id, 1)
        raise ZeroDivisionError

    assert consumed(db, account.id) == []
    with pytest.raises(RuntimeError, match="end of its 'with' block"):
        result.result()


def test_an_empty_batch_sends_nothing(short_path: Path) -> None:
    with PackDb(short_path / "nobody-listens-here") as client, client.batch():
        pass


def test_a_batch_that_cannot_be_sent_raises_and_so_does_each_result(short_path: Path) -> None:
    with PackDb(short_path / "nobody-listens-here", timeout_s=0.1) as client:
        with pytest.raises(NoDaemon), client.batch() as batch:
            result = batch.submit(client.accounts.list_accounts)

        with pytest.raises(NoDaemon):
            result.result()


def test_a_batch_of_as_many_calls_as_a_message_may_have(db: PackDb, account: Account) -> None:
    with db.batch() as batch:
        results = [batch.submit(db.tokens.consume_tokens, account.id, 1) for _ in range(MAX_CALLS)]

    assert results[-1].result() == db.tokens.get_balance(account.id)


def test_too_many_calls_are_refused_as_a_whole(db: PackDb, account: Account) -> None:
    with db.batch() as batch:
        results = [
            batch.submit(db.tokens.consume_tokens, account.id, 1) for _ in range(MAX_CALLS + 1)
        ]

    for result in results:
        with pytest.raises(BadRequest, match=str(MAX_CALLS)):
            result.result()
    assert consumed(db, account.id) == []


def test_a_batch_too_large_is_refused_before_it_is_sent(short_path: Path) -> None:
    long = CreateAccountInput(email="a" * 30_000)

    def send(client: PackDb) -> None:
        with client.batch() as batch:
            for _ in range(10):
                batch.submit(client.accounts.create_account, long)

    with PackDb(short_path / "nobody-listens-here") as client, pytest.raises(MessageTooLarge):
        send(client)


def test_only_methods_of_a_service_can_be_submitted(db: PackDb) -> None:
    with pytest.raises(TypeError, match="not a method of a service"), db.batch() as batch:
        batch.submit(len, "abc")


def consume(db: PackDb, account: Account, amounts: Iterable[int]) -> None:
    with db.batch() as batch:
        for amount in amounts:
            batch.submit(db.tokens.consume_tokens, account.id, amount)
