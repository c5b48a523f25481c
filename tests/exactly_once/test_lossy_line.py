"""Messages that are lost, doubled or late between client and daemon."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pack_db.errors import DeadlinePassed, OutcomeUnknown
from pack_db_client import Account, AsyncPackDb, CreateAccountInput, PackDb
from pack_db_client.protocol.replies import encode_error, encode_reply
from pack_db_client.protocol.requests import Request
from tests.exactly_once.fake_daemon import answer_pong, fake_daemon
from tests.exactly_once.ledger import consumed
from tests.exactly_once.proxy import Mischief, proxy
from tests.support.daemon_process import DaemonProcess

AMOUNTS = range(1, 17)


@pytest.mark.parametrize(
    "mischief",
    [
        Mischief(lost_replies=1),
        Mischief(lost_requests=1),
        Mischief(copies=3),
        Mischief(late=True),
        Mischief(lost_replies=2, copies=2, late=True),
    ],
    ids=str,
)
def test_every_call_is_answered_and_applied_once(
    daemon: DaemonProcess, db: PackDb, account: Account, short_path: Path, mischief: Mischief
) -> None:
    async def consume(amount: int) -> None:
        # A client of its own, so that none waits for another's retry.
        async with AsyncPackDb(short_path / "p", timeout_s=20) as client:
            await client.tokens.consume_tokens(account.id, amount)

    async def consume_all() -> None:
        await asyncio.gather(*map(consume, AMOUNTS))

    with proxy(short_path / "p", daemon.socket_path, mischief) as carrier:
        asyncio.run(consume_all())

        assert carrier.lost == len(AMOUNTS) * (mischief.lost_replies + mischief.lost_requests)
    assert sorted(consumed(db, account.id)) == list(AMOUNTS)


def test_replies_to_copies_are_not_taken_for_replies_to_later_calls(
    daemon: DaemonProcess, account: Account, short_path: Path
) -> None:
    with (
        proxy(short_path / "p", daemon.socket_path, Mischief(copies=3)),
        PackDb(short_path / "p", timeout_s=20) as client,
    ):
        before = client.tokens.get_balance(account.id).total
        left = [client.tokens.consume_tokens(account.id, amount).total for amount in AMOUNTS]

    assert left == [before - sum(range(amount + 1)) for amount in AMOUNTS]


def test_a_retry_never_finds_its_own_address_taken_and_its_key_works(
    daemon: DaemonProcess, db: PackDb, short_path: Path
) -> None:
    with (
        proxy(short_path / "p", daemon.socket_path, Mischief(lost_replies=1)) as carrier,
        PackDb(short_path / "p", timeout_s=20) as client,
    ):
        created = client.accounts.create_account(CreateAccountInput(email="new@example.com"))

        assert carrier.lost == 1
    assert db.accounts.authenticate(created.api_key).id == created.id


def test_a_write_of_which_nothing_is_heard_has_an_unknown_outcome(
    daemon: DaemonProcess, db: PackDb, account: Account, short_path: Path
) -> None:
    with (
        proxy(short_path / "p", daemon.socket_path, Mischief(lost_replies=1000)),
        PackDb(short_path / "p", timeout_s=2) as client,
        pytest.raises(OutcomeUnknown, match="look before you repeat it"),
    ):
        client.tokens.consume_tokens(account.id, 1)

    assert consumed(db, account.id) == [1]


def test_a_slow_daemon_is_sent_nothing_twice(short_path: Path) -> None:
    """Copies would make it slower still, and only the last one's answer would be taken."""
    released = threading.Event()

    def wait(request: Request) -> bytes:
        released.wait(timeout=20)
        return answer_pong(request)

    with (
        fake_daemon(short_path / "s", wait) as daemon,
        PackDb(short_path / "s", timeout_s=20) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        call = thread.submit(client.ping)
        releasing = threading.Timer(2.5, released.set)  # once a second there was a copy
        releasing.start()

        assert call.result() == "pong"
        assert len(daemon.messages) == 1


def test_that_a_copy_came_too_late_says_nothing_of_the_one_before(short_path: Path) -> None:
    copies: list[Request] = []

    def lose_the_first_reply(request: Request) -> bytes | None:
        copies.append(request)
        if len(copies) == 1:
            daemon.lose_connection()
            return None
        refusal = encode_error(DeadlinePassed("too late"))
        return encode_reply(request.sequence, [refusal], time.monotonic_ns())

    with (
        fake_daemon(short_path / "s", lose_the_first_reply) as daemon,
        PackDb(short_path / "s", timeout_s=20) as client,
        pytest.raises(OutcomeUnknown),
    ):
        client.tokens.consume_tokens("018f6f5e-0000-7000-8000-000000000000", 1)
