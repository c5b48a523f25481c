"""A message is done once, however many copies of it reach several daemons and workers."""

import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zmq

from pack_db.errors import OutcomeUnknown
from pack_db_client import Account, CreateAccountInput, PackDb
from pack_db_client.protocol.replies import decode_reply
from tests.exactly_once.child import as_nobody, forks, needs_root
from tests.exactly_once.ledger import consumed
from tests.exactly_once.raw_client import RawClient, raw_client
from tests.exactly_once.timing import ends_within
from tests.postgres.daemons import lead, running_daemons
from tests.postgres.sessions import (
    account_locked,
    commits_held,
    wait_until,
    wait_until_quiet,
    wait_until_waiting,
)
from tests.support.daemon_process import DaemonProcess
from tests.support.postgres_server import PostgresServer

_PLENTY = 10**9
_HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="module")
def daemons(url: str) -> Iterator[list[DaemonProcess]]:
    """Two on one database, which all tests share."""
    with (
        tempfile.TemporaryDirectory(prefix="pack-db-") as directory,
        running_daemons(Path(directory), [url, url]) as daemons,
    ):
        yield daemons


@pytest.fixture
def doomed(url: str, short_path: Path) -> Iterator[DaemonProcess]:
    """A third one, to be killed."""
    with running_daemons(short_path, [url]) as [daemon]:
        yield daemon


@pytest.fixture
def db(daemons: list[DaemonProcess]) -> Iterator[PackDb]:
    with daemons[0].client() as client:
        yield client


@pytest.fixture
def accounts(db: PackDb) -> list[Account]:
    return [
        db.accounts.create_account(CreateAccountInput(email=email, token_remaining=_PLENTY))
        for email in (new_email(), new_email())
    ]


@pytest.fixture
def account(accounts: list[Account]) -> Account:
    return accounts[0]


@pytest.fixture
def raw(daemons: list[DaemonProcess]) -> Iterator[RawClient]:
    """A client of the first daemon."""
    with raw_client(daemons[0].socket_path) as client:
        yield client


def new_email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


def consume(account: Account, amount: int) -> tuple[str, list[Any]]:
    return ("tokens.consume_tokens", [account.id, amount])


def reply_of(daemon: DaemonProcess, message: bytes) -> bytes:
    """What a connection of its own gets."""
    with raw_client(daemon.socket_path) as client:
        return client.reply(message)


def replies_of(daemons: Sequence[DaemonProcess], message: bytes) -> list["Future[bytes]"]:
    """Send a copy to each; one that is there twice gets two, over two connections."""
    threads = ThreadPoolExecutor(len(daemons))
    replies = [threads.submit(reply_of, daemon, message) for daemon in daemons]
    threads.shutdown(wait=False)
    return replies


def codes(reply: bytes) -> list[str | int]:
    return [result[0] for result in decode_reply(reply)[1]]


@pytest.mark.parametrize("where", [(0, 1), (0, 0), (0, 1, 0, 1)], ids=str)
@pytest.mark.parametrize("calls", [1, 2])
def test_copies_at_the_same_time_are_one(
    raw: RawClient,
    daemons: list[DaemonProcess],
    url: str,
    db: PackDb,
    account: Account,
    where: Sequence[int],
    calls: int,
) -> None:
    message = raw.request(1, *[consume(account, 7)] * calls)

    with account_locked(url, account.id):
        replies = replies_of([daemons[n] for n in where], message)
        wait_until_waiting(url, len(where))

    [reply] = {future.result() for future in replies}
    assert codes(reply) == [0] * calls
    assert consumed(db, account.id) == [7] * calls


def test_a_copy_waits_for_the_commit_of_the_other(
    raw: RawClient, daemons: list[DaemonProcess], url: str, db: PackDb
) -> None:
    email = new_email()
    message = raw.request(1, ("accounts.create_account", [{"email": email}]))

    with commits_held(url):
        replies = replies_of(daemons, message)
        wait_until_waiting(url, 2)

    [reply] = {future.result() for future in replies}
    [[_, created]] = decode_reply(reply)[1]
    assert db.accounts.authenticate(created["api_key"]).email == email


def test_a_copy_that_fails_for_what_the_other_took_gets_its_answer(
    raw: RawClient, daemons: list[DaemonProcess], url: str, db: PackDb, account: Account
) -> None:
    message = raw.request(1, consume(account, _PLENTY))

    with account_locked(url, account.id):
        replies = replies_of(daemons, message)
        wait_until_waiting(url, 2)

    [reply] = {future.result() for future in replies}
    assert codes(reply) == [0]
    assert consumed(db, account.id) == [_PLENTY]


def test_an_older_message_after_a_newer_is_refused_by_the_other_daemon(
    raw: RawClient, daemons: list[DaemonProcess], db: PackDb, account: Account
) -> None:
    older = raw.request(1, consume(account, 3))
    raw.reply(raw.request(2, consume(account, 4)))

    assert codes(reply_of(daemons[1], older)) == ["sequence_too_old"]
    assert consumed(db, account.id) == [4]


def test_an_older_message_that_a_newer_overtakes_is_refused(
    raw: RawClient, daemons: list[DaemonProcess], url: str, db: PackDb, accounts: list[Account]
) -> None:
    one, other = accounts
    older = raw.request(1, consume(one, 3))

    with account_locked(url, one.id):
        [reply] = replies_of([daemons[1]], older)
        wait_until_waiting(url, 1)
        raw.reply(raw.request(2, consume(other, 4)))

    assert codes(reply.result()) == ["sequence_too_old"]
    assert consumed(db, one.id) == []


def test_other_content_is_refused_by_the_other_daemon(
    raw: RawClient, daemons: list[DaemonProcess], db: PackDb, account: Account
) -> None:
    raw.reply(raw.request(1, consume(account, 3)))

    assert codes(reply_of(daemons[1], raw.request(1, consume(account, 4)))) == ["sequence_reused"]
    assert consumed(db, account.id) == [3]


@forks
@needs_root
def test_another_user_gets_nothing_from_the_other_daemon(
    raw: RawClient, daemons: list[DaemonProcess], account: Account
) -> None:
    message = raw.request(1, ("accounts.rotate_api_key", [account.id]))
    raw.reply(message)

    reply = as_nobody(lambda: reply_of(daemons[1], message))

    assert codes(reply) == ["foreign_client_id"]


def test_a_daemon_killed_after_the_commit_leaves_the_answer_to_the_other(
    doomed: DaemonProcess, daemons: list[DaemonProcess], url: str, db: PackDb, account: Account
) -> None:
    link = lead(doomed.directory / "link", doomed)
    with PackDb(link, timeout_s=20.0) as client, ThreadPoolExecutor(1) as thread:
        client.ping()
        with commits_held(url):
            call = thread.submit(client.tokens.consume_tokens, account.id, 7)
            wait_until_waiting(url, 1)
            doomed.send_signal(signal.SIGSTOP)  # so it does not answer
        wait_until_quiet(url)
        lead(link, daemons[1])
        doomed.kill()

        assert call.result() == db.tokens.get_balance(account.id)
    assert consumed(db, account.id) == [7]


def test_a_daemon_killed_before_the_commit_leaves_the_work_to_the_other(
    doomed: DaemonProcess, daemons: list[DaemonProcess], url: str, db: PackDb, account: Account
) -> None:
    link = lead(doomed.directory / "link", doomed)
    with PackDb(link, timeout_s=20.0) as client, ThreadPoolExecutor(1) as thread:
        client.ping()
        with account_locked(url, account.id):
            call = thread.submit(client.tokens.consume_tokens, account.id, 7)
            wait_until_waiting(url, 1)
            lead(link, daemons[1])
            doomed.kill()
            wait_until_waiting(url, 2)  # its session does not know yet that it was killed

        assert call.result() == db.tokens.get_balance(account.id)
    assert consumed(db, account.id) == [7]


def test_a_deadlock_is_done_again(
    raw: RawClient,
    daemons: list[DaemonProcess],
    url: str,
    db: PackDb,
    accounts: list[Account],
    shared_postgres: PostgresServer,
) -> None:
    one, other = accounts
    deadlocks = shared_postgres.log.count("deadlock detected")

    with account_locked(url, other.id) as session:
        session.execute("SET deadlock_timeout = '1min'")  # so that the daemon has to give in
        [reply] = replies_of([daemons[0]], raw.request(1, consume(one, 3), consume(other, 4)))
        wait_until_waiting(url, 1)
        session.execute("SELECT FROM accounts WHERE id = %s FOR UPDATE", [one.id])

    assert codes(reply.result()) == [0, 0]
    assert shared_postgres.log.count("deadlock detected") > deadlocks
    assert [consumed(db, account.id) for account in accounts] == [[3], [4]]


def test_a_serialization_failure_is_done_again(
    url: str, short_path: Path, db: PackDb, account: Account, shared_postgres: PostgresServer
) -> None:
    strict_url = f"{url}?options=-c%20default_transaction_isolation%3Dserializable"
    with (
        running_daemons(short_path, [strict_url]) as [strict],
        raw_client(strict.socket_path) as raw,
    ):
        with account_locked(url, account.id) as session:
            [reply] = replies_of([strict], raw.request(1, consume(account, 3)))
            wait_until_waiting(url, 1)
            session.execute("UPDATE accounts SET updated_at = 0 WHERE id = %s", [account.id])
            session.commit()

        assert codes(reply.result()) == [0]
    assert "could not serialize access" in shared_postgres.log
    assert consumed(db, account.id) == [3]


def test_a_row_that_stays_locked_is_said_in_time(
    raw: RawClient, url: str, db: PackDb, account: Account
) -> None:
    deadline_ns = time.monotonic_ns() + 3 * 10**9
    message = raw.request(1, consume(account, 3), deadline_ns=deadline_ns)

    with account_locked(url, account.id):
        assert codes(raw.reply(message)) == ["storage_conflict"]
        assert time.monotonic_ns() < deadline_ns

    assert codes(raw.reply(message)) == ["storage_conflict"]
    assert consumed(db, account.id) == []


def test_what_nobody_waits_for_any_more_is_not_done(url: str, db: PackDb, account: Account) -> None:
    with account_locked(url, account.id), ends_within(0.5), pytest.raises(OutcomeUnknown):
        db.with_timeout(0.5).tokens.consume_tokens(account.id, 3)

    wait_until_quiet(url)
    assert consumed(db, account.id) == []


def test_a_row_of_the_journal_goes_long_after_its_deadline_by_the_clock_of_the_server(
    url: str, daemons: list[DaemonProcess], account: Account
) -> None:
    with psycopg.connect(url, autocommit=True) as session:

        def row_of_a_message() -> bytes:
            before = keys()
            with raw_client(daemons[0].socket_path) as raw:
                raw.reply(raw.request(1, consume(account, 3)))
            [key] = keys() - before
            return key

        def keys() -> set[bytes]:
            return {key for (key,) in session.execute("SELECT client FROM reply_journal")}

        def make_older(key: bytes, age_ns: int) -> None:
            session.execute(
                "UPDATE reply_journal SET expires_ns = expires_ns - %s WHERE client = %s",
                [age_ns, key],
            )

        old, fresh = row_of_a_message(), row_of_a_message()
        make_older(fresh, _HOUR_NS - 60 * 10**9)
        make_older(old, _HOUR_NS + 60 * 10**9)

        wait_until(lambda: old not in keys())
        assert fresh in keys()


def test_messages_of_one_connection_are_done_in_their_order(
    raw: RawClient, daemons: list[DaemonProcess], db: PackDb, account: Account
) -> None:
    amounts = list(range(1, 51))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = context.socket(zmq.DEALER)  # unlike REQ it does not wait for an answer
        socket.rcvtimeo = 20_000
        socket.connect(f"ipc://{daemons[0].socket_path}")
        for amount in amounts:
            socket.send_multipart([b"", raw.request(amount, consume(account, amount))])
        answered = [decode_reply(socket.recv_multipart()[1]) for _ in amounts]
    finally:
        context.destroy(linger=0)

    assert [sequence for sequence, _, _ in answered] == amounts
    assert [code for _, [[code, *_]], _ in answered] == [0] * len(amounts)
    assert consumed(db, account.id) == amounts
