"""What interrupts a call, at whatever instruction, leaves a client that works."""

import asyncio
import gc
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pack_db_client
from pack_db_client import (
    Account,
    AsyncPackDb,
    CallTimeout,
    ClientClosed,
    InvalidInput,
    PackDb,
)
from tests.exactly_once.ledger import consumed
from tests.exactly_once.timing import ends_within
from tests.support.daemon_process import DaemonProcess

# An exception in a finalizer goes nowhere but to stderr, which Python sees to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

_CLIENT = str(Path(pack_db_client.__file__).parent)
_INTERRUPTIONS = 1000
_CALL_US = 2000  # about what a call takes, and more


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What an exception kept from being closed is collected here, and blamed on no other test."""
    yield
    gc.collect()


class Interrupted(BaseException):
    """As KeyboardInterrupt, or what the handler of a job's time limit raises."""


class InterruptedInLoop(Exception):
    """One that an event loop survives."""


@contextmanager
def interrupted_at_line(number: int, error: type[BaseException]) -> Iterator[Callable[[], bool]]:
    """Raise when the client's code comes to its `number`th line; yields whether it did."""
    left = number

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(_CLIENT):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise error
        return trace

    sys.settrace(trace)
    try:
        yield lambda: left <= 0
    except error:
        pass
    finally:
        sys.settrace(None)


def call(db: PackDb, account: Account) -> None:
    db.tokens.consume_tokens(account.id, 1)


def batch(db: PackDb, account: Account) -> None:
    with db.batch() as batch:
        batch.submit(db.tokens.consume_tokens, account.id, 1)
        batch.submit(db.tokens.get_balance, account.id)


def first_and_last_call(db: PackDb, account: Account) -> None:
    with PackDb(os.environ["ZMQ_SOCKET_PATH"], timeout_s=20) as client:
        client.tokens.consume_tokens(account.id, 1)


@pytest.mark.parametrize("work", [call, batch, first_and_last_call])
def test_an_exception_at_any_line(
    daemon: DaemonProcess,
    db: PackDb,
    account: Account,
    work: Callable[[PackDb, Account], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZMQ_SOCKET_PATH", str(daemon.socket_path))
    line, was_interrupted = 0, True
    while was_interrupted:
        line += 1
        with ends_within(2), interrupted_at_line(line, Interrupted) as interrupted:
            work(db, account)
        was_interrupted = interrupted()
        with ends_within(2):
            assert db.tokens.get_balance(account.id).account_id == account.id

    assert line > 50
    assert len(consumed(db, account.id)) <= line


def test_an_exception_at_any_line_of_asyncio_calls(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    async def calls(client: AsyncPackDb) -> None:
        await asyncio.gather(
            *(client.tokens.consume_tokens(account.id, 1) for _ in range(3)),
            return_exceptions=True,
        )

    async def work() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        line, was_interrupted = 0, True
        async with AsyncPackDb(daemon.socket_path, timeout_s=2) as client:
            await client.ping()
            while was_interrupted:
                line += 1
                with ends_within(2), interrupted_at_line(line, InterruptedInLoop) as interrupted:
                    await calls(client)
                was_interrupted = interrupted()
                with ends_within(2):
                    assert (await client.tokens.get_balance(account.id)).account_id == account.id
        return line

    lines = asyncio.run(work())

    assert lines > 50
    assert len(consumed(db, account.id)) <= 3 * lines


@contextmanager
def alarms(handler: Callable[[], None]) -> Iterator[None]:
    """Let `handler` be called by SIGALRM."""
    before = signal.signal(signal.SIGALRM, lambda number, frame: handler())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_thousand_exceptions_at_any_time(db: PackDb, account: Account) -> None:
    def interrupt() -> None:
        raise Interrupted

    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    answered = 0
    with alarms(interrupt):
        for _ in range(_INTERRUPTIONS):
            with suppress(Interrupted):
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(1, _CALL_US) / 1e6)
                db.tokens.consume_tokens(account.id, 1)
                answered += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
    with ends_within(2):
        assert answered <= len(consumed(db, account.id)) <= _INTERRUPTIONS


def test_a_signal_handler_may_call_during_a_call(db: PackDb, account: Account) -> None:
    seen = []

    def call() -> None:
        seen.append(db.tokens.get_balance(account.id).total)
        signal.setitimer(signal.ITIMER_REAL, 0.001)

    with alarms(call):
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        with ends_within(20):
            while len(seen) < 50:
                db.tokens.consume_tokens(account.id, 1)

    assert min(seen) >= account.token_remaining - len(consumed(db, account.id))


def test_a_signal_handler_may_close_the_client_during_a_call(
    daemon: DaemonProcess, db: PackDb
) -> None:
    db.ping()
    daemon.send_signal(signal.SIGSTOP)
    with alarms(db.close), ends_within(1):
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(CallTimeout):
            db.with_timeout(1).ping()

    with pytest.raises(ClientClosed):
        db.ping()


def test_a_finalizer_may_call_during_a_call(db: PackDb, account: Account) -> None:
    seen = []

    class Worker:
        def __del__(self) -> None:
            seen.append(db.tokens.get_balance(account.id).account_id)

    def work() -> None:
        for _ in range(50):
            worker = Worker()
            db.tokens.consume_tokens(account.id, 1)
            del worker

    threads = [threading.Thread(target=work) for _ in range(4)]
    with ends_within(20):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert seen == [account.id] * 200


def test_a_call_within_the_packing_of_another_harms_neither(db: PackDb, account: Account) -> None:
    """As a signal's handler or a finalizer makes it."""
    seen = []

    class Words(list[str]):
        def __iter__(self) -> Iterator[str]:
            seen.append(db.tokens.get_balance(account.id).account_id)
            return super().__iter__()

    with pytest.raises(InvalidInput, match="must be text, not an array"):
        db.accounts.authenticate(Words(["a", "b"]))  # type: ignore[arg-type]

    assert set(seen) == {account.id}
