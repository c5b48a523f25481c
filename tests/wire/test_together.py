"""Messages that the dispatcher answers together, with the services in process."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from pack_db.errors import EmailTaken, StorageFull, StorageMoved
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import Account, CreateAccountInput
from pack_db.interfaces.services import SERVICES
from pack_db_client.protocol.replies import decode_reply
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.method_table import MethodTable
from tests.contract.test_accounts import NOBODY
from tests.wire.raw_client import request
from tests.wire.together import answered_together

USER_ID = 1000
PATIENCE_NS = 60 * 10**9

Answers = Callable[..., list[Any]]


class FaultyService(ABC):
    @abstractmethod
    def write_then_fail_to_store(self) -> None: ...

    @abstractmethod
    def write_then_break(self) -> None: ...


class FaultyImplementation(FaultyService):
    def __init__(self, accounts: AccountRepo) -> None:
        self._accounts = accounts

    def write_then_fail_to_store(self) -> None:
        self._accounts.create_account(CreateAccountInput(email="half@example.com"))
        raise StorageFull("no room left")

    def write_then_break(self) -> None:
        self._accounts.create_account(CreateAccountInput(email="half@example.com"))
        raise RuntimeError("a detail")


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "pack.db"


@pytest.fixture
def dispatcher(factory: ServiceFactory) -> Dispatcher:
    database = factory.get_database_connection()
    faulty = FaultyImplementation(factory.get_account_repo())
    return Dispatcher(
        MethodTable(
            {**SERVICES, "faulty": FaultyService}, {**factory.get_services(), "faulty": faulty}
        ),
        database,
        ExactlyOnce(database, factory.get_reply_journal()),
        CallStatistics(),
        max_reply_bytes=262144,
        budget_ns=PATIENCE_NS,
    )


@pytest.fixture
def account(factory: ServiceFactory) -> Account:
    return factory.get_account_repo().create_account(CreateAccountInput(email="a@example.com"))


@pytest.fixture
def top_up(account: Account) -> list[Any]:
    return ["tokens.top_up", [account.id, 1]]


@pytest.fixture
def topped_up(database_path: Path, account: Account) -> Iterator[Callable[[], int]]:
    """What was added to the account and committed, as another connection sees it."""
    reader = apsw.Connection(str(database_path), flags=apsw.SQLITE_OPEN_READONLY)
    sql = "SELECT topup_remaining FROM accounts WHERE id = ?"
    yield lambda: int(reader.execute(sql, [account.id]).get)
    reader.close()


@pytest.fixture
def commits(database_path: Path) -> Callable[[], int]:
    """How many there are in the write-ahead log (sqlite.org/fileformat2.html#walformat)."""

    def read() -> int:
        log = database_path.with_name("pack.db-wal").read_bytes()
        page_size, salts = int.from_bytes(log[8:12]), log[16:24]
        frames = [log[at : at + 24] for at in range(32, len(log), 24 + page_size)]
        return sum(f[8:16] == salts and any(f[4:8]) for f in frames)

    return read


@pytest.fixture
def answers(dispatcher: Dispatcher) -> Answers:
    """Answers messages together; gives what each was answered: a code, or 0 and the value."""

    def answer(*messages: bytes) -> list[Any]:
        replies = dict(answered_together(dispatcher, [(m, USER_ID) for m in messages]))
        assert len(replies) == len(messages)
        return [decode_reply(replies[number])[1] for number in range(len(messages))]

    return answer


_clients = count(1)


def from_somebody(*calls: Any, **fields: Any) -> bytes:
    """A message of a client that sent none before."""
    return request(*calls, **{"client_id": b"%16d" % next(_clients), "sequence": 1, **fields})


def codes(results: list[Any]) -> list[Any]:
    return [result[0] for result in results]


def test_what_several_messages_write_is_one_commit(
    answers: Answers, top_up: list[Any], topped_up: Callable[[], int], commits: Callable[[], int]
) -> None:
    before = commits()
    results = answers(*(from_somebody(top_up, top_up) for _ in range(8)))
    assert [codes(r) for r in results] == [[0, 0]] * 8
    assert (topped_up(), commits() - before) == (16, 1)


def test_a_reply_is_given_only_when_what_it_says_is_committed(
    dispatcher: Dispatcher, account: Account, top_up: list[Any], topped_up: Callable[[], int]
) -> None:
    get_balance = ["tokens.get_balance", [account.id]]
    messages = [from_somebody(call) for call in (top_up, get_balance, top_up, get_balance, top_up)]
    balances = []
    for number, reply in answered_together(dispatcher, [(m, USER_ID) for m in messages]):
        [(_, balance)] = decode_reply(reply)[1]
        assert balance["topup_remaining"] <= topped_up()
        balances.append((number, balance["topup_remaining"]))
    # Who only reads does not wait for a commit, and sees nothing of it.
    assert balances == [(1, 0), (3, 0), (0, 1), (2, 2), (4, 3)]


def test_a_message_that_fails_undoes_itself_alone(
    answers: Answers, account: Account, top_up: list[Any], topped_up: Callable[[], int]
) -> None:
    taken = ["accounts.create_account", [{"email": account.email}]]
    results = answers(
        from_somebody(top_up),
        from_somebody(["tokens.top_up", [NOBODY, 1]]),
        from_somebody(top_up, taken, top_up),
        from_somebody(["faulty.write_then_break", []]),
        from_somebody(["no.method", []]),
        from_somebody(top_up),
    )
    assert [codes(r) for r in results] == [
        [0],
        ["account_not_found"],
        [0, EmailTaken.code, 0],
        ["internal_error"],
        ["unknown_method"],
        [0],
    ]
    assert topped_up() == 4


def test_a_failure_is_remembered_as_well_as_a_success(
    answers: Answers, factory: ServiceFactory, top_up: list[Any], topped_up: Callable[[], int]
) -> None:
    messages = [
        from_somebody(top_up),
        from_somebody(["tokens.top_up", [NOBODY, 1]]),
        from_somebody(["accounts.create_account", [{"email": "b@example.com"}]]),
    ]
    first = answers(*messages)
    assert answers(*messages) == first
    assert answers(messages[1], messages[2]) == first[1:]
    assert topped_up() == 1
    assert len(factory.get_account_repo().list_accounts()) == 2


def test_two_copies_of_a_message_are_done_once(
    answers: Answers, top_up: list[Any], topped_up: Callable[[], int]
) -> None:
    message = from_somebody(top_up)
    first, second, _ = answers(message, message, from_somebody(top_up))
    assert first == second
    assert topped_up() == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"client_id": b"known to another", "sequence": 3}, "foreign_client_id"),
        ({"client_id": b"known to me only", "sequence": 1}, "sequence_too_old"),
        ({"client_id": b"known to me only", "sequence": 2}, "sequence_reused"),
        ({"deadline_ns": 1}, "deadline_passed"),
        ({"deadline_ns": 0}, "bad_request"),
        ({"version": 9}, "unsupported_version"),
    ],
)
def test_a_message_that_is_refused_keeps_no_other_from_being_done(
    dispatcher: Dispatcher,
    answers: Answers,
    top_up: list[Any],
    topped_up: Callable[[], int],
    fields: dict[str, Any],
    code: str,
) -> None:
    earlier = ["tokens.top_up", [NOBODY, 1]]
    dispatcher.dispatch(request(earlier, client_id=b"known to another", sequence=2), USER_ID + 1)
    dispatcher.dispatch(request(earlier, client_id=b"known to me only", sequence=2), USER_ID)
    results = answers(from_somebody(top_up), from_somebody(top_up, **fields), from_somebody(top_up))
    assert [codes(r) for r in results] == [[0], [code], [0]]
    assert topped_up() == 2


def test_when_the_database_fails_in_one_message_the_others_are_done_by_themselves(
    answers: Answers,
    factory: ServiceFactory,
    top_up: list[Any],
    topped_up: Callable[[], int],
    commits: Callable[[], int],
) -> None:
    before = commits()
    messages = [
        from_somebody(top_up),
        from_somebody(["faulty.write_then_fail_to_store", []]),
        from_somebody(top_up),
    ]
    results = answers(*messages)
    assert [codes(r) for r in results] == [[0], [StorageFull.code], [0]]
    assert (topped_up(), commits() - before) == (2, 2)
    assert [a.email for a in factory.get_account_repo().list_accounts()] == ["a@example.com"]
    # All of it is final.
    assert answers(*messages) == results
    assert answers(messages[1]) == [results[1]]
    assert topped_up() == 2


def test_when_the_commit_fails_none_of_the_messages_is_acknowledged(
    answers: Answers,
    database_path: Path,
    account: Account,
    top_up: list[Any],
    topped_up: Callable[[], int],
) -> None:
    aside = database_path.with_name("aside")
    get_balance = ["tokens.get_balance", [account.id]]
    database_path.rename(aside)
    try:
        results = answers(*(from_somebody(call) for call in (top_up, get_balance, top_up)))
    finally:
        aside.rename(database_path)
    assert [codes(r) for r in results] == [[StorageMoved.code], [0], [StorageMoved.code]]
    assert topped_up() == 0
