from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw
import pytest

from pack_db.errors import InsufficientTokens, OutcomeUnknown
from pack_db_client import BatchResult, CreateAccountInput, PackDb, TokenBalance
from tests.exactly_once.crashing_daemon import crashing_daemon_command
from tests.exactly_once.ledger import consumed
from tests.support.daemon_process import DaemonProcess

T = TypeVar("T")


@pytest.fixture
def trigger(short_path: Path) -> Path:
    return short_path / "crash"


@pytest.fixture
def daemon(short_path: Path, trigger: Path) -> Iterator[DaemonProcess]:
    """It dies after the next commit once `trigger` exists."""
    daemon = DaemonProcess(short_path, command=crashing_daemon_command(trigger))
    daemon.start()
    yield daemon
    daemon.clean_up()


@contextmanager
def crashed_in(call: Callable[[], T], daemon: DaemonProcess, trigger: Path) -> Iterator[Future[T]]:
    """While the daemon is dead that has committed the write of `call`, not answered it."""
    trigger.touch()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(call)
        daemon.wait()
        yield future


def test_the_retry_gets_the_reply_and_nothing_is_done_again(
    daemon: DaemonProcess, db: PackDb, trigger: Path
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))

    with crashed_in(lambda: db.tokens.consume_tokens(account.id, 7), daemon, trigger) as call:
        daemon.start()

    assert call.result() == db.tokens.get_balance(account.id)
    assert consumed(db, account.id) == [7]


def test_the_key_of_an_account_created_just_before_is_not_lost(
    daemon: DaemonProcess, db: PackDb, trigger: Path
) -> None:
    new = CreateAccountInput(email="a@example.com")

    with crashed_in(lambda: db.accounts.create_account(new), daemon, trigger) as call:
        daemon.start()

    assert db.accounts.authenticate(call.result().api_key).email == "a@example.com"
    assert len(db.accounts.list_accounts()) == 1


def test_every_call_of_a_batch_gets_its_own_result(
    daemon: DaemonProcess, db: PackDb, trigger: Path
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))

    def send() -> tuple[BatchResult[TokenBalance], BatchResult[TokenBalance]]:
        with db.batch() as batch:
            return (
                batch.submit(db.tokens.consume_tokens, account.id, 7),
                batch.submit(db.tokens.consume_tokens, account.id, 10**9),
            )

    with crashed_in(send, daemon, trigger) as call:
        daemon.start()

    done, refused = call.result()
    assert done.result() == db.tokens.get_balance(account.id)
    with pytest.raises(InsufficientTokens):
        refused.result()
    assert consumed(db, account.id) == [7]


def test_a_retry_that_meets_a_busy_database_does_not_say_that_nothing_was_done(
    daemon: DaemonProcess, db: PackDb, trigger: Path
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    impatient = db.with_timeout(10)

    with crashed_in(
        lambda: impatient.tokens.consume_tokens(account.id, 7), daemon, trigger
    ) as call:
        outsider = apsw.Connection(str(daemon.database_path))
        outsider.execute("BEGIN IMMEDIATE")
        daemon.start()
        with pytest.raises(OutcomeUnknown):
            call.result()
        outsider.close()

    assert consumed(db, account.id) == [7]
