"""The dispatcher on its own: bytes in, bytes out, with the services in process."""

import logging
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pack_db.errors import ConfigurationError
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import Account, CreateAccountInput
from pack_db.interfaces.query import query
from pack_db.interfaces.services import SERVICES
from pack_db_client.protocol.methods import Method, methods_of
from pack_db_client.protocol.replies import decode_reply
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.method_table import MethodTable
from tests.contract.test_accounts import MAX_TOKENS, NOBODY
from tests.wire.raw_client import pack, request

USER_ID = 1000
PATIENCE_NS = 60 * 10**9
METHODS = [m for service, interface in SERVICES.items() for m in methods_of(service, interface)]

fuzz = settings(derandomize=True, deadline=None, max_examples=200)


class FaultyService(ABC):
    @abstractmethod
    def write_then_fail(self) -> None: ...

    @abstractmethod
    def write_then_return_what_cannot_travel(self) -> int: ...

    @query
    @abstractmethod
    def read_while_an_outsider_writes(self) -> list[str]: ...


class FaultyImplementation(FaultyService):
    def __init__(self, accounts: AccountRepo, path: Path) -> None:
        self._accounts = accounts
        self._path = path

    def read_while_an_outsider_writes(self) -> list[str]:
        found = [account.email for account in self._accounts.list_accounts()]
        with closing(apsw.Connection(str(self._path))) as outsider:
            outsider.execute("UPDATE accounts SET email = 'x' || email")
        return found

    def write_then_fail(self) -> None:
        self._accounts.create_account(CreateAccountInput(email="half@example.com"))
        raise RuntimeError("a detail that is nobody's business")

    def write_then_return_what_cannot_travel(self) -> int:
        self._accounts.create_account(CreateAccountInput(email="half@example.com"))
        return 2**64


@pytest.fixture
def dispatcher(factory: ServiceFactory) -> Dispatcher:
    database = factory.get_database_connection()
    path = factory.get_config().database_path
    faulty = FaultyImplementation(factory.get_account_repo(), path)
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


def answers(dispatcher: Dispatcher, message: bytes) -> list[Any]:
    """The results in the reply, each of which must be one."""
    _, results, _ = decode_reply(dispatcher.dispatch(message, USER_ID))
    for result in results:
        match result:
            case [0, _] | [str(), str(), dict()]:
                assert result[0] != "internal_error"
            case _:
                raise AssertionError(result)
    return results


def fitting_values(accounts: list[Account]) -> dict[str, st.SearchStrategy[Any]]:
    """What may be in an argument of this name, and is often right."""
    ids = st.sampled_from([*(account.id for account in accounts), NOBODY, "bad"])
    emails = st.sampled_from(["user1@example.com", "new@example.com", " NEW@example.com", "bad"])
    api_keys = [account.api_key for account in accounts]
    numbers = st.sampled_from([-1, 0, 1, 500, MAX_TOKENS, 2**53, 2**63, 2**64 - 1])
    plans = st.sampled_from(["Free", "Pro", "Gold"])
    return {
        "account_id": ids,
        "email": emails,
        "api_key": st.sampled_from([*api_keys, "rs_" + "0" * 32, "bad"]),
        "account": st.fixed_dictionaries(
            {"email": emails},
            optional={"plan_name": plans, "token_remaining": numbers, "topup_remaining": numbers},
        ),
        "changes": st.fixed_dictionaries(
            {}, optional={"email": emails, "plan_name": plans, "status": st.sampled_from([0, 1])}
        ),
        "amount": numbers,
        "token_remaining": numbers,
        "allow_overdraft": st.booleans(),
        "after": ids | numbers,
        "after_account_id": ids,
        "after_number": numbers,
        "limit": numbers,
    }


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def calls(accounts: list[Account]) -> st.SearchStrategy[Any]:
    fitting = fitting_values(accounts)

    def calls_of(method: Method) -> st.SearchStrategy[Any]:
        parameters = method.signature.parameters.values()
        by_name = st.fixed_dictionaries(
            {p.name: fitting[p.name] for p in parameters if p.default is p.empty},
            optional={p.name: fitting[p.name] for p in parameters if p.default is not p.empty},
        )
        by_chance = st.fixed_dictionaries({p.name: fitting[p.name] | anything for p in parameters})
        by_place = st.lists(anything, max_size=3)
        return st.tuples(st.just(method.name), by_name | by_chance | by_place)

    return st.one_of([calls_of(method) for method in METHODS])


def assert_every_ledger_is_right(factory: ServiceFactory) -> None:
    for account in factory.get_account_repo().list_accounts(limit=500):
        entries = factory.get_token_repo().list_entries(account.id, limit=500)
        total = account.token_remaining + account.topup_remaining
        assert sum(entry.amount for entry in entries) == total


def test_arbitrary_bytes_are_answered_by_one_error(dispatcher: Dispatcher) -> None:
    @fuzz
    @given(st.binary())
    def check(message: bytes) -> None:
        [[code, _, _]] = answers(dispatcher, message)
        assert code in {"bad_request", "unsupported_version"}

    check()


def test_arbitrary_fields_are_answered_by_one_error(dispatcher: Dispatcher) -> None:
    @fuzz
    @given(st.lists(anything, max_size=6))
    def check(fields: list[Any]) -> None:
        [[code, _, _]] = answers(dispatcher, pack(fields))
        assert code in {"bad_request", "unsupported_version"}

    check()


def test_every_method_answers_whatever_arguments_it_is_given(
    dispatcher: Dispatcher, factory: ServiceFactory
) -> None:
    repo = factory.get_account_repo()
    accounts = [
        repo.create_account(CreateAccountInput(email=f"user{number}@example.com"))
        for number in range(40)  # some of which will be deleted
    ]

    @fuzz
    @given(st.lists(calls(accounts), min_size=1, max_size=5))
    def check(some: list[Any]) -> None:
        assert len(answers(dispatcher, request(*some))) == len(some)
        assert_every_ledger_is_right(factory)

    check()


@pytest.mark.parametrize("method", ["write_then_fail", "write_then_return_what_cannot_travel"])
def test_a_defect_of_a_service_undoes_its_call_alone_and_is_told_to_the_log_only(
    dispatcher: Dispatcher,
    factory: ServiceFactory,
    account: Account,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    top_up = ["tokens.top_up", [account.id, 1]]
    reply = dispatcher.dispatch(request(top_up, [f"faulty.{method}", []], top_up), USER_ID)
    _, results, _ = decode_reply(reply)
    assert [result[0] for result in results] == [0, "internal_error", 0]
    assert b"nobody's business" not in reply
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert f"faulty.{method}" in record.getMessage()
    assert [a.email for a in factory.get_account_repo().list_accounts()] == ["a@example.com"]
    assert factory.get_token_repo().get_balance(account.id).topup_remaining == 2


def test_a_service_without_an_implementation_is_refused(factory: ServiceFactory) -> None:
    with pytest.raises(ConfigurationError, match="tokens"):
        MethodTable(SERVICES, {"accounts": factory.get_account_repo()})
    with pytest.raises(ConfigurationError, match="accounts"):
        MethodTable(SERVICES, {name: object() for name in SERVICES})


def test_the_queries_of_one_message_see_the_database_as_the_first_one_did(
    dispatcher: Dispatcher, account: Account
) -> None:
    read = ["faulty.read_while_an_outsider_writes", []]
    assert answers(dispatcher, request(read, read)) == [[0, ["a@example.com"]]] * 2
    assert answers(dispatcher, request(read)) == [[0, ["xxa@example.com"]]]
