"""One message holds the others up for its budget of time, and for one call more."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pack_db.errors import AccountNotFound, StorageFull
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db.interfaces.query import query
from pack_db.interfaces.services import SERVICES
from pack_db_client.protocol.replies import decode_reply
from pack_db_daemon.dispatch.call_runner import BUDGET_NS
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.method_table import MethodTable
from tests.wire.raw_client import deadline_in, request
from tests.wire.together import answered_together

MS = 1_000_000


@dataclass
class Clock:
    """Stands still but for what somebody takes."""

    now_ns: int = field(default_factory=lambda: deadline_in(0))

    def __call__(self) -> int:
        return self.now_ns


class SlowService(ABC):
    @abstractmethod
    @query
    def look(self, takes_ms: int) -> int: ...

    @abstractmethod
    def add(self, email: str, takes_ms: int) -> None: ...

    @abstractmethod
    def fail(self, takes_ms: int) -> None: ...

    @abstractmethod
    def fail_to_store(self, takes_ms: int) -> None: ...


class SlowImplementation(SlowService):
    def __init__(self, accounts: AccountRepo, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock

    def look(self, takes_ms: int) -> int:
        self._clock.now_ns += takes_ms * MS
        return takes_ms

    def add(self, email: str, takes_ms: int) -> None:
        self._clock.now_ns += takes_ms * MS
        self._accounts.create_account(CreateAccountInput(email=email))

    def fail(self, takes_ms: int) -> None:
        self._clock.now_ns += takes_ms * MS
        raise AccountNotFound("as it was asked to")

    def fail_to_store(self, takes_ms: int) -> None:
        self._clock.now_ns += takes_ms * MS
        raise StorageFull("as it was asked to")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def statistics() -> CallStatistics:
    return CallStatistics()


@pytest.fixture
def dispatcher(factory: ServiceFactory, clock: Clock, statistics: CallStatistics) -> Dispatcher:
    database = factory.get_database_connection()
    slow = SlowImplementation(factory.get_account_repo(), clock)
    return Dispatcher(
        MethodTable({**SERVICES, "slow": SlowService}, {**factory.get_services(), "slow": slow}),
        database,
        ExactlyOnce(database, factory.get_reply_journal(), clock),
        statistics,
        max_reply_bytes=262144,
        clock_ns=clock,
    )


Ask = Callable[..., list[Any]]


@pytest.fixture
def ask(dispatcher: Dispatcher) -> Ask:
    def send(*calls: Any) -> list[Any]:
        return [r[0] for r in decode_reply(dispatcher.dispatch(request(*calls), 0))[1]]

    return send


@pytest.fixture
def emails(factory: ServiceFactory) -> Callable[[], list[str]]:
    return lambda: [a.email for a in factory.get_account_repo().list_accounts()]


def look(takes_ms: int) -> list[Any]:
    return ["slow.look", [takes_ms]]


def add(name: str, takes_ms: int) -> list[Any]:
    return ["slow.add", [f"{name}@example.com", takes_ms]]


def test_when_the_time_is_used_up_the_rest_is_not_started(ask: Ask, clock: Clock) -> None:
    began_ns = clock()
    assert ask(*[look(4)] * 1024) == [0] * 3 + ["not_started"] * 1021
    assert clock() - began_ns == 12 * MS


def test_the_first_call_is_done_however_long_it_takes(ask: Ask) -> None:
    assert ask(look(1000), look(1)) == [0, "not_started"]
    assert ask(look(1000)) == [0]


def test_what_was_not_started_was_not_written(ask: Ask, emails: Callable[[], list[str]]) -> None:
    assert ask(add("a", 6), add("b", 6), add("c", 6)) == [0, 0, "not_started"]
    assert emails() == ["a@example.com", "b@example.com"]
    assert ask(add("c", 6)) == [0]


def test_a_failed_call_among_them_undoes_itself_alone(
    ask: Ask, emails: Callable[[], list[str]]
) -> None:
    calls = [add("a", 4), ["slow.fail", [4]], add("b", 4), add("c", 4)]
    assert ask(*calls) == [0, "account_not_found", 0, "not_started"]
    assert emails() == ["a@example.com", "b@example.com"]


def test_a_copy_is_answered_as_the_message_was(
    dispatcher: Dispatcher, emails: Callable[[], list[str]]
) -> None:
    message = request(add("a", 11), add("b", 1))
    first = decode_reply(dispatcher.dispatch(message, 0))[1]
    assert decode_reply(dispatcher.dispatch(message, 0))[1] == first
    assert emails() == ["a@example.com"]


def somebody(number: int, *calls: Any, **fields: Any) -> tuple[bytes, int]:
    return request(*calls, client_id=b"%16d" % number, sequence=1, **fields), 0


def test_messages_that_share_a_commit_share_a_bound(
    dispatcher: Dispatcher, clock: Clock, emails: Callable[[], list[str]]
) -> None:
    messages = [somebody(n, add(f"user{n}", 9)) for n in range(8)]
    began_ns = clock()
    answered = [
        (n, (clock() - began_ns) // MS, len(emails()))
        for n, _ in answered_together(dispatcher, messages)
    ]
    # With the third, 20 ms are over; so they are answered before the fourth is begun.
    assert BUDGET_NS == 10 * MS
    assert answered == [(n, 27, 3) for n in range(3)] + [(n, 54, 6) for n in range(3, 6)] + [
        (n, 72, 8) for n in range(6, 8)
    ]


def test_a_message_whose_deadline_passes_before_the_shared_commit_is_undone_alone(
    dispatcher: Dispatcher, clock: Clock, emails: Callable[[], list[str]]
) -> None:
    messages = [
        somebody(1, add("a", 1)),
        somebody(2, add("late", 1), deadline_ns=clock() + 3 * MS),
        somebody(3, add("b", 1)),
        somebody(4, add("c", 4)),
    ]
    replies = dict(answered_together(dispatcher, messages))
    codes = [decode_reply(replies[n])[1][0][0] for n in range(4)]
    assert codes == [0, "deadline_passed", 0, 0]
    assert emails() == ["a@example.com", "b@example.com", "c@example.com"]


def test_the_statistics_tell_how_long_a_failure_of_storage_took(
    ask: Ask, statistics: CallStatistics
) -> None:
    assert ask(["slow.fail_to_store", [7]]) == ["storage_full"]
    [method] = statistics.summary()
    assert (method.method, method.calls, method.failed) == ("slow.fail_to_store", 1, 1)
    assert method.p50_us == 7000


def test_a_reply_tells_the_clock(dispatcher: Dispatcher, clock: Clock) -> None:
    for message in (request(look(0)), request(add("a", 0)), b"nonsense"):
        assert decode_reply(dispatcher.dispatch(message, 0))[2] == clock()
