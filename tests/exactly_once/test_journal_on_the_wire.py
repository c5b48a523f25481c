"""What the reply journal promises to clients in any language."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pack_db_client import Account, CreateAccountInput, PackDb
from tests.exactly_once.child import as_nobody, forks, needs_root
from tests.exactly_once.ledger import consumed
from tests.exactly_once.raw_client import RawClient, raw_client
from tests.support.daemon_process import DaemonProcess


@pytest.fixture
def raw(daemon: DaemonProcess) -> Iterator[RawClient]:
    with raw_client(daemon.socket_path) as client:
        yield client


def consume(account: Account, amount: int) -> tuple[str, list[Any]]:
    return ("tokens.consume_tokens", [account.id, amount])


def test_a_copy_gets_the_same_bytes_and_is_not_done(
    raw: RawClient, db: PackDb, account: Account
) -> None:
    message = raw.request(1, consume(account, 3), consume(account, 4))

    assert raw.reply(message) == raw.reply(message)
    assert consumed(db, account.id) == [3, 4]


def test_a_copy_gets_the_same_bytes_from_a_daemon_started_later(
    raw: RawClient, daemon: DaemonProcess, account: Account
) -> None:
    message = raw.request(1, ("accounts.rotate_api_key", [account.id]))
    reply = raw.reply(message)
    daemon.kill()
    daemon.start()

    assert raw.reply(message) == reply


def test_a_refusal_is_remembered_like_any_reply(
    raw: RawClient, db: PackDb, account: Account
) -> None:
    message = raw.request(1, consume(account, 10**12))
    refusal = raw.reply(message)
    db.tokens.top_up(account.id, 10**12)

    assert raw.reply(message) == refusal
    assert consumed(db, account.id) == []


def test_a_sequence_with_other_content_is_refused(
    raw: RawClient, db: PackDb, account: Account
) -> None:
    raw.reply(raw.request(1, consume(account, 3)))

    [[code, _, _]] = raw.results(raw.request(1, consume(account, 4)))

    assert code == "sequence_reused"
    assert consumed(db, account.id) == [3]


def test_an_older_sequence_is_refused(raw: RawClient, db: PackDb, account: Account) -> None:
    older = raw.request(1, consume(account, 3))
    raw.reply(raw.request(2, consume(account, 4)))

    [[code, _, _]] = raw.results(older)

    assert code == "sequence_too_old"
    assert consumed(db, account.id) == [4]


def test_queries_do_not_move_the_sequence(raw: RawClient, db: PackDb, account: Account) -> None:
    query = ("tokens.get_balance", [account.id])
    raw.reply(raw.request(9, query))

    [[code, *_]] = raw.results(raw.request(1, consume(account, 3)))

    assert code == 0
    assert consumed(db, account.id) == [3]


@forks
@needs_root
def test_another_user_with_the_client_id_neither_writes_nor_sees_the_reply(
    short_path: Path,
) -> None:
    short_path.chmod(0o711)
    daemon = DaemonProcess(short_path, {"SOCKET_MODE": "0666"})
    daemon.start()
    try:
        with raw_client(daemon.socket_path) as owner, daemon.client() as db:
            message = owner.request(1, ("accounts.create_account", [{"email": "a@example.com"}]))
            [[_, account]] = owner.results(message)
            later = owner.request(2, ("accounts.rotate_api_key", [account["id"]]))

            def replay() -> list[bytes]:
                with raw_client(daemon.socket_path) as other:
                    return [other.reply(message), other.reply(later)]

            replies = as_nobody(replay)

            assert all(b"foreign_client_id" in reply for reply in replies)
            assert not any(account["api_key"].encode() in reply for reply in replies)
            assert db.accounts.authenticate(account["api_key"]).id == account["id"]
    finally:
        daemon.clean_up()


@pytest.mark.parametrize(
    ("ahead_s", "code"),
    [(-1, "deadline_passed"), (601, "bad_request"), (10**9, "bad_request")],
    ids=["passed", "too far", "absurdly far"],
)
def test_a_write_with_a_wrong_deadline_is_not_started(
    raw: RawClient, db: PackDb, account: Account, ahead_s: int, code: str
) -> None:
    deadline_ns = time.monotonic_ns() + ahead_s * 10**9

    [[answer, _, _]] = raw.results(raw.request(1, consume(account, 3), deadline_ns=deadline_ns))

    assert answer == code
    assert consumed(db, account.id) == []


def test_a_write_without_a_deadline_is_not_started(
    raw: RawClient, db: PackDb, account: Account
) -> None:
    [[code, _, _]] = raw.results(raw.request(1, consume(account, 3), deadline_ns=0))

    assert code == "bad_request"
    assert consumed(db, account.id) == []


def test_a_query_needs_no_deadline_and_one_that_has_passed_is_not_started(
    raw: RawClient, account: Account
) -> None:
    query = ("tokens.get_balance", [account.id])

    [[without, *_]] = raw.results(raw.request(1, query, deadline_ns=0))
    [[passed, *_]] = raw.results(raw.request(2, query, deadline_ns=1))

    assert (without, passed) == (0, "deadline_passed")


def test_no_key_that_was_ever_given_is_readable_on_disk(
    raw: RawClient, daemon: DaemonProcess, db: PackDb
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    keys = [account.api_key]
    keys += [db.accounts.rotate_api_key(account.id).api_key for _ in range(5)]
    with daemon.client() as another:
        keys.append(another.accounts.rotate_api_key(account.id).api_key)
    [[_, created]] = raw.results(
        raw.request(1, ("accounts.create_account", [{"email": "b@example.com"}]))
    )
    keys.append(created["api_key"])
    before = b"".join(path.read_bytes() for path in _database_files(daemon))
    daemon.kill()
    after = b"".join(path.read_bytes() for path in _database_files(daemon))

    assert b"a@example.com" in before  # so this is where it would be
    for key in keys:
        secret = key.removeprefix("rs_")
        for readable in (secret.encode(), bytes.fromhex(secret)):
            assert readable not in before
            assert readable not in after
    for client_id in (raw.client_id, raw.client_id.hex().encode()):
        assert client_id not in before


def _database_files(daemon: DaemonProcess) -> list[Path]:
    files = sorted(daemon.directory.glob("pack.db*"))
    assert {file.name for file in files} >= {"pack.db", "pack.db-wal", "pack.db-shm"}
    return files
