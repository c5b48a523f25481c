import asyncio
import gc
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pack_db_client import (
    Account,
    AsyncPackDb,
    CallTimeout,
    ClientClosed,
    CreateAccountInput,
    InvalidApiKey,
    MessageTooLarge,
    NoDaemon,
    OutcomeUnknown,
    PackDb,
)
from pack_db_client.protocol.replies import encode_error, encode_reply
from pack_db_client.protocol.requests import Request
from pack_db_client.transport.call_queue import MAX_CALLS_TOGETHER
from tests.exactly_once.fake_daemon import FakeDaemon, answer_nothing, answer_pong, fake_daemon
from tests.exactly_once.ledger import consumed
from tests.exactly_once.timing import ends_within
from tests.support.daemon_process import DaemonProcess

MAX_MESSAGE_BYTES = 262_144
NOBODYS_ID = "018f6f5e-0000-7000-8000-000000000000"


class Gate:
    """An answer that keeps the first message waiting until the gate is opened."""

    def __init__(self) -> None:
        self._opened = threading.Event()
        self.open = self._opened.set

    def __call__(self, request: Request) -> bytes:
        if not self._opened.wait(timeout=20):
            raise TimeoutError("nobody opened the gate")
        return answer_pong(request)


async def until_it_has(daemon: FakeDaemon, messages: int) -> None:
    await asyncio.to_thread(daemon.wait_for_message, messages)


def in_loop(path: Path, work: Callable[[AsyncPackDb], Coroutine[Any, Any, None]]) -> None:
    """Run `work` with a client of the daemon at `path` in an event loop of its own."""

    async def main() -> None:
        async with AsyncPackDb(path, timeout_s=20) as db:
            await work(db)

    asyncio.run(main())


def test_concurrent_calls_travel_together(short_path: Path) -> None:
    async def work(db: AsyncPackDb) -> None:
        assert await asyncio.gather(*(db.ping() for _ in range(20))) == ["pong"] * 20

    with fake_daemon(short_path / "s") as daemon:
        in_loop(short_path / "s", work)

        assert [len(request.calls) for request in daemon.requests] == [20]


def test_what_is_called_meanwhile_travels_in_the_next_message(short_path: Path) -> None:
    gate = Gate()

    async def work(db: AsyncPackDb) -> None:
        first = asyncio.create_task(db.ping())
        await until_it_has(daemon, 1)
        others = [asyncio.create_task(db.ping()) for _ in range(10)]
        await asyncio.sleep(0)
        gate.open()
        assert await asyncio.gather(first, *others) == ["pong"] * 11

    with fake_daemon(short_path / "s", gate) as daemon:
        in_loop(short_path / "s", work)

        assert [len(request.calls) for request in daemon.requests] == [1, 10]


def test_a_message_has_a_limited_number_of_calls(short_path: Path) -> None:
    async def work(db: AsyncPackDb) -> None:
        await asyncio.gather(*(db.ping() for _ in range(2 * MAX_CALLS_TOGETHER + 1)))

    with fake_daemon(short_path / "s") as daemon:
        in_loop(short_path / "s", work)

        calls = sorted(len(request.calls) for request in daemon.requests)
        assert calls == [1, MAX_CALLS_TOGETHER, MAX_CALLS_TOGETHER]


def test_what_fills_another_message_does_not_wait_for_the_first(short_path: Path) -> None:
    async def work(db: AsyncPackDb) -> None:
        calls = [asyncio.create_task(db.ping()) for _ in range(2 * MAX_CALLS_TOGETHER + 1)]
        await until_it_has(daemon, 2)
        await db.close()
        await asyncio.gather(*calls, return_exceptions=True)

    with fake_daemon(short_path / "s", answer_nothing) as daemon:
        in_loop(short_path / "s", work)

        assert [len(r.calls) for r in daemon.requests] == [MAX_CALLS_TOGETHER] * 2
        assert len({r.client_id for r in daemon.requests}) == 2


def test_an_idle_client_costs_nothing_when_its_daemon_is_gone(daemon: DaemonProcess) -> None:
    async def work(db: AsyncPackDb) -> None:
        await asyncio.gather(*(db.ping() for _ in range(2 * MAX_CALLS_TOGETHER)))
        daemon.kill()
        used = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - used < 0.5

    in_loop(daemon.socket_path, work)


def test_a_message_has_a_limited_number_of_bytes(short_path: Path) -> None:
    def refuse(request: Request) -> bytes:
        refusal = encode_error(InvalidApiKey("no such key"))
        return encode_reply(request.sequence, [refusal] * len(request.calls), time.monotonic_ns())

    async def work(db: AsyncPackDb) -> None:
        answers = await asyncio.gather(
            *(db.accounts.authenticate("k" * 50_000) for _ in range(12)), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {InvalidApiKey}

    with fake_daemon(short_path / "s", refuse) as daemon:
        in_loop(short_path / "s", work)

        assert [len(request.calls) for request in daemon.requests] == [5, 5, 2]
        assert all(len(message) <= MAX_MESSAGE_BYTES for message in daemon.messages)


def test_a_call_too_large_fails_alone(short_path: Path) -> None:
    async def work(db: AsyncPackDb) -> None:
        too_large, pong = await asyncio.gather(
            db.accounts.create_account(CreateAccountInput(email="a" * 300_000)),
            db.ping(),
            return_exceptions=True,
        )
        assert isinstance(too_large, MessageTooLarge)
        assert pong == "pong"

    with fake_daemon(short_path / "s"):
        in_loop(short_path / "s", work)


def test_a_call_cancelled_before_it_is_sent_is_not_sent(short_path: Path) -> None:
    gate = Gate()

    async def work(db: AsyncPackDb) -> None:
        first = asyncio.create_task(db.ping())
        await until_it_has(daemon, 1)
        cancelled, *others = [asyncio.create_task(db.ping()) for _ in range(4)]
        await asyncio.sleep(0)
        cancelled.cancel()
        gate.open()
        assert await asyncio.gather(first, *others) == ["pong"] * 4
        assert cancelled.cancelled()

    with fake_daemon(short_path / "s", gate) as daemon:
        in_loop(short_path / "s", work)

        assert [len(request.calls) for request in daemon.requests] == [1, 3]


def test_a_call_cancelled_when_it_was_sent_does_not_break_the_others(short_path: Path) -> None:
    gate = Gate()

    async def work(db: AsyncPackDb) -> None:
        cancelled, *others = [asyncio.create_task(db.ping()) for _ in range(3)]
        await until_it_has(daemon, 1)
        cancelled.cancel()
        others.append(asyncio.create_task(db.ping()))
        await asyncio.sleep(0)
        gate.open()
        assert await asyncio.gather(*others) == ["pong"] * 3
        assert cancelled.cancelled()

    with fake_daemon(short_path / "s", gate) as daemon:
        in_loop(short_path / "s", work)


def test_a_cancelled_write_is_done_once_or_not_at_all(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    cancelled_amounts: list[int] = []

    async def work(client: AsyncPackDb) -> None:
        for amount in range(1, 101):
            call = asyncio.create_task(client.tokens.consume_tokens(account.id, amount))
            kept = asyncio.create_task(client.tokens.get_balance(account.id))
            await asyncio.sleep(amount % 10 / 5000)
            if call.cancel():
                cancelled_amounts.append(amount)
            assert (await kept).account_id == account.id

    in_loop(daemon.socket_path, work)

    amounts = consumed(db, account.id)
    assert len(amounts) == len(set(amounts))
    assert {*amounts, *cancelled_amounts} == set(range(1, 101))


def test_what_a_cancelled_task_still_calls_is_answered(short_path: Path) -> None:
    """As at the end of asyncio.run, which cancels all tasks, those of this client among them."""
    gate = Gate()
    last: list[str] = []

    async def handle(db: AsyncPackDb) -> None:
        try:
            await db.ping()
        finally:
            last.append(await db.ping())

    async def work(db: AsyncPackDb) -> None:
        before = asyncio.all_tasks()
        task = asyncio.create_task(handle(db))
        await until_it_has(daemon, 1)
        task.cancel()
        for other in asyncio.all_tasks() - before - {task}:
            other.cancel()
        gate.open()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()
        assert last == ["pong"]

    with fake_daemon(short_path / "s", gate) as daemon:
        in_loop(short_path / "s", work)


def test_closing_fails_what_was_sent_and_what_was_not_and_says_which(short_path: Path) -> None:
    async def work(db: AsyncPackDb) -> None:
        sent = asyncio.create_task(db.tokens.consume_tokens(NOBODYS_ID, 1))
        await until_it_has(daemon, 1)
        waiting = asyncio.create_task(db.tokens.consume_tokens(NOBODYS_ID, 2))
        await asyncio.sleep(0)
        with ends_within(0):
            await db.close()
            outcomes = await asyncio.gather(sent, waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, ClientClosed]
        with pytest.raises(ClientClosed):
            await db.ping()

    with fake_daemon(short_path / "s", answer_nothing) as daemon:
        in_loop(short_path / "s", work)


def test_closing_without_a_daemon_says_that_nothing_was_sent(short_path: Path) -> None:
    async def work(db: AsyncPackDb) -> None:
        calls = [asyncio.create_task(db.tokens.consume_tokens(NOBODYS_ID, 1)) for _ in range(3)]
        await asyncio.sleep(0.05)  # until they wait for a daemon
        with ends_within(0):
            await db.close()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ClientClosed] * 3

    in_loop(short_path / "nobody-listens-here", work)


def test_a_block_left_by_an_exception_fails_what_is_pending(short_path: Path) -> None:
    async def main() -> None:
        with suppress(ZeroDivisionError):
            async with AsyncPackDb(short_path / "s", timeout_s=20) as db:
                call = asyncio.create_task(db.ping())
                await until_it_has(daemon, 1)
                raise ZeroDivisionError
        with ends_within(0), pytest.raises((CallTimeout, ClientClosed)):
            await call

    with fake_daemon(short_path / "s", answer_nothing) as daemon:
        asyncio.run(main())


def test_one_client_serves_several_event_loops_one_after_the_other(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    client = AsyncPackDb(daemon.socket_path, timeout_s=20)

    async def consume(amount: int) -> None:
        await asyncio.gather(*(client.tokens.consume_tokens(account.id, amount) for _ in range(3)))

    for amount in (1, 2, 3):
        asyncio.run(consume(amount))
        gc.collect()  # what a loop left open would warn here
    asyncio.run(client.close())

    assert consumed(db, account.id) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_a_loop_that_ended_in_the_middle_of_a_call_leaves_the_client_usable(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    client = AsyncPackDb(daemon.socket_path, timeout_s=20)

    async def leave_in_the_middle() -> None:
        calling = asyncio.create_task(client.tokens.get_balance(account.id))
        await asyncio.sleep(0)
        calling.cancel()

    async def close() -> None:
        assert (await client.tokens.get_balance(account.id)).account_id == account.id
        await client.close()

    asyncio.run(leave_in_the_middle())
    asyncio.run(close())
    gc.collect()


def test_five_hundred_tasks_get_each_its_own_reply(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    amounts = range(1, 501)

    async def work(client: AsyncPackDb) -> None:
        balances = await asyncio.gather(
            *(client.tokens.consume_tokens(account.id, amount) for amount in amounts)
        )
        entries = {-e.amount: e for e in await _entries(client, account.id)}
        for amount, balance in zip(amounts, balances, strict=True):
            assert entries[amount].token_remaining == balance.token_remaining

    in_loop(daemon.socket_path, work)

    assert sorted(consumed(db, account.id)) == list(amounts)


def test_without_a_daemon_every_call_ends_by_its_own_timeout(short_path: Path) -> None:
    async def work(db: AsyncPackDb) -> None:
        timeouts_s = (1.8, 0.6, 1.2)
        started = time.monotonic()
        ended: list[float] = []

        async def call(timeout_s: float) -> None:
            with ends_within(timeout_s), pytest.raises(NoDaemon):
                await db.with_timeout(timeout_s).ping()
            ended.append(timeout_s)
            assert time.monotonic() - started >= timeout_s

        await asyncio.gather(*map(call, timeouts_s))
        assert ended == sorted(timeouts_s)

    in_loop(short_path / "nobody-listens-here", work)


def test_a_call_that_waits_behind_a_slow_one_ends_by_its_timeout(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    async def work(client: AsyncPackDb) -> None:
        await client.ping()
        daemon.send_signal(signal.SIGSTOP)
        patient = asyncio.create_task(client.tokens.consume_tokens(account.id, 1))
        await asyncio.sleep(0)
        with ends_within(0.3), pytest.raises(CallTimeout, match="nothing was sent") as raised:
            await client.with_timeout(0.3).tokens.consume_tokens(account.id, 2)
        assert type(raised.value) is CallTimeout
        daemon.send_signal(signal.SIGCONT)
        await patient

    in_loop(daemon.socket_path, work)

    assert consumed(db, account.id) == [1]


def test_a_query_that_travelled_with_a_write_is_not_of_unknown_outcome(
    daemon: DaemonProcess, account: Account
) -> None:
    async def work(client: AsyncPackDb) -> None:
        await client.ping()
        daemon.send_signal(signal.SIGSTOP)
        impatient = client.with_timeout(1)
        write, query = await asyncio.gather(
            impatient.tokens.consume_tokens(account.id, 1),
            impatient.tokens.get_balance(account.id),
            return_exceptions=True,
        )
        daemon.send_signal(signal.SIGCONT)
        assert (type(write), type(query)) == (OutcomeUnknown, CallTimeout)

    in_loop(daemon.socket_path, work)


async def _entries(client: AsyncPackDb, account_id: str) -> list[Any]:
    pages = [await client.tokens.list_entries(account_id, limit=500)]
    pages.append(await client.tokens.list_entries(account_id, pages[0][-1].number, limit=500))
    return [entry for page in pages for entry in page]
