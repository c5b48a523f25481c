from collections.abc import Iterator
from pathlib import Path

import pytest

from pack_db.errors import ReplyTooLarge
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.wire.raw_client import RawClient, request


@pytest.fixture
def narrow_daemon(short_path: Path) -> Iterator[DaemonProcess]:
    """A daemon whose replies have 4 KiB at most, with more accounts than fit in one."""
    daemon = DaemonProcess(short_path, {"MAX_MESSAGE_BYTES": "4096"})
    daemon.start()
    with daemon.client() as db:
        for number in range(30):
            db.accounts.create_account(CreateAccountInput(email=f"user{number}@example.com"))
    yield daemon
    daemon.clean_up()


@pytest.fixture
def narrow_client(narrow_daemon: DaemonProcess) -> Iterator[PackDb]:
    with narrow_daemon.client() as client:
        yield client


def test_row_29_a_result_that_does_not_fit_is_an_error_that_says_so(
    narrow_daemon: DaemonProcess,
) -> None:
    with RawClient(narrow_daemon.socket_path) as raw:
        code, text, _ = raw.call("accounts.list_accounts", {"limit": 100})
        assert code == "reply_too_large"
        assert "ask for less" in text
        ok, page = raw.call("accounts.list_accounts", {"limit": 5})
        assert (ok, len(page)) == (0, 5)


def test_row_29_the_other_calls_of_the_message_are_answered(narrow_daemon: DaemonProcess) -> None:
    with RawClient(narrow_daemon.socket_path) as raw:
        results = raw.batch(
            ["accounts.list_accounts", {"limit": 100}],
            ["daemon.ping", []],
            ["accounts.create_account", [{"email": "new@example.com"}]],
        )
    assert [result[0] for result in results] == ["reply_too_large", 0, 0]


def test_row_29_when_the_reply_is_full_the_rest_of_the_calls_are_not_done(
    narrow_daemon: DaemonProcess,
) -> None:
    with RawClient(narrow_daemon.socket_path) as raw:
        reply = raw.exchange(request(*[["accounts.list_accounts", {"limit": 5}]] * 60))
    outcomes = [result[0] for result in reply.results]
    assert outcomes == [0] * outcomes.count(0) + ["not_started"] * outcomes.count("not_started")
    assert set(outcomes) == {0, "not_started"}
    assert reply.size <= 4096


def test_row_29_errors_fill_a_reply_as_well(narrow_daemon: DaemonProcess) -> None:
    with RawClient(narrow_daemon.socket_path) as raw:
        reply = raw.exchange(request(*[["tokens.get_balance", ["bad"]]] * 60))
        assert {result[0] for result in reply.results} == {"invalid_input", "not_started"}
        assert reply.size <= 4096
        reply = raw.exchange(request(*[["x", []]] * 250))
    assert reply.size <= 4096


def test_row_29_a_write_whose_result_does_not_fit_is_undone(narrow_daemon: DaemonProcess) -> None:
    outcomes = set()
    with RawClient(narrow_daemon.socket_path) as raw:
        for limit in range(1, 25):  # ever larger pages leave ever less room after them
            email = f"{'x' * 230}{limit}@example.com"
            page = ["accounts.list_accounts", {"limit": limit}]
            reply = raw.exchange(request(page, ["accounts.create_account", [{"email": email}]]))
            created = reply.results[-1][0]
            _, found = raw.call("accounts.get_account_by_email", [email])
            assert (created, found is None) in {(0, False), ("not_started", True)}
            outcomes.add(created)
    assert outcomes == {0, "not_started"}


def test_row_29_the_client_raises_it(narrow_client: PackDb) -> None:
    with pytest.raises(ReplyTooLarge):
        narrow_client.accounts.list_accounts(limit=100)
    assert len(narrow_client.accounts.list_accounts(limit=5)) == 5
