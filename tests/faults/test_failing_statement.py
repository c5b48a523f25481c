"""Row 47: every statement of every service method fails once, as SQLite tests itself."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apsw
import pytest

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import Account, CreateAccountInput
from pack_db.interfaces.services import SERVICES
from pack_db_client.protocol.methods import methods_of
from pack_db_client.protocol.replies import decode_reply
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.method_table import MethodTable
from tests.wire.raw_client import request

Call = list[Any]

CALLS: dict[str, Callable[[Account], Sequence[Any]]] = {
    "accounts.authenticate": lambda account: [account.api_key],
    "accounts.create_account": lambda account: [{"email": "new@example.com"}],
    "accounts.delete_account": lambda account: [account.id],
    "accounts.get_account": lambda account: [account.id],
    "accounts.get_account_by_email": lambda account: [account.email],
    "accounts.list_accounts": lambda account: [],
    "accounts.rotate_api_key": lambda account: [account.id],
    "accounts.update_account": lambda account: [account.id, {"plan_name": "Pro"}],
    "tokens.consume_tokens": lambda account: [account.id, 7],
    "tokens.get_balance": lambda account: [account.id],
    "tokens.list_entries": lambda account: [account.id],
    "tokens.list_ledger": lambda account: [],
    "tokens.renew_plan": lambda account: [account.id, 500],
    "tokens.top_up": lambda account: [account.id, 7],
}


class FailingConnection(DatabaseConnection):
    """Lets a statement fail, counted from the one after `fail`."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._countdown = 0
        self._undoes_all = False
        connection: apsw.Connection = self._database.connection()  # type: ignore[no-untyped-call]
        connection.exec_trace = self._before_statement

    def fail(self, statement: int, *, undoes_all: bool) -> None:
        """
        Args:
            statement: 1 is the next one.
            undoes_all: SQLite rolls the whole transaction back, as for a full disk.
        """
        self._countdown = statement
        self._undoes_all = undoes_all

    def has_failed(self) -> bool:
        """Whether it came to that statement; if not, it will not fail any more."""
        failed = self._countdown <= 0
        self._countdown = 0
        return failed

    def _before_statement(self, cursor: apsw.Cursor, sql: str, values: object) -> bool:
        self._countdown -= 1
        if self._countdown != 0:
            return True
        if self._undoes_all and cursor.connection.in_transaction:
            cursor.connection.execute("ROLLBACK")
        raise apsw.FullError("a fault") if self._undoes_all else apsw.IOError("a fault")


class FailingFactory(ServiceFactory):
    def get_database_connection(self) -> FailingConnection:
        if self._database_connection is None:
            self._database_connection = FailingConnection(self.get_config())
        assert isinstance(self._database_connection, FailingConnection)
        return self._database_connection


class Bench:
    """The daemon without its sockets, on a connection that fails when asked to."""

    def __init__(self, config: Config) -> None:
        factory = FailingFactory(config)
        self.database = factory.get_database_connection()
        self.database.run_migrations()
        self.accounts = factory.get_account_repo()
        self.tokens = factory.get_token_repo()
        self.dispatcher = Dispatcher(
            MethodTable(factory.services, factory.get_services()),
            self.database,
            ExactlyOnce(self.database, factory.get_reply_journal()),
            CallStatistics(),
            2**18,
            budget_ns=10**12,
        )

    def send(self, *calls: Call) -> list[Any]:
        return decode_reply(self.dispatcher.dispatch(request(*calls), 0))[1]

    def everything(self) -> Any:
        """All that is stored, after a look at whether it fits together."""
        accounts = self.accounts.list_accounts()
        entries = [self.tokens.list_entries(account.id) for account in accounts]
        for account, ledger in zip(accounts, entries, strict=True):
            balance = self.tokens.get_balance(account.id)
            assert sum(entry.amount for entry in ledger) == balance.total
            assert [entry.number for entry in ledger] == list(range(1, len(ledger) + 1))
        return accounts, entries, self.database.execute("SELECT client, reply FROM reply_journal")


@pytest.fixture
def bench(config: Config) -> Iterator[Bench]:
    bench = Bench(config)
    yield bench
    bench.database.close()


def _fail_each_statement(
    bench: Bench, undoes_all: bool, *calls: Call, refused: int | None = None
) -> int:
    """Send the calls until none of their statements fails; returns how many have failed.

    Args:
        refused: index of the call that is refused even then.
    """
    for number in itertools.count(1):
        before = bench.everything()
        bench.database.fail(number, undoes_all=undoes_all)
        results = bench.send(*calls)
        if not bench.database.has_failed():
            assert [n for n, (code, *_) in enumerate(results) if code != 0] == (
                [] if refused is None else [refused]
            )
            return number - 1
        expected = "storage_full" if undoes_all else "storage_error"
        assert [code for code, *_ in results] == [expected]
        assert bench.everything() == before
    raise AssertionError


def test_every_method_is_tried() -> None:
    offered = {m.name for name, interface in SERVICES.items() for m in methods_of(name, interface)}
    assert offered == set(CALLS)


@pytest.mark.parametrize("undoes_all", [False, True], ids=["statement", "transaction"])
@pytest.mark.parametrize("method", CALLS)
def test_row_47_a_call_is_undone_whole_and_done_when_it_is_repeated(
    bench: Bench, method: str, undoes_all: bool
) -> None:
    account = bench.accounts.create_account(CreateAccountInput(email="a@example.com"))
    is_write = method not in {
        "accounts.authenticate",
        "accounts.get_account",
        "accounts.get_account_by_email",
        "accounts.list_accounts",
        "tokens.get_balance",
        "tokens.list_entries",
        "tokens.list_ledger",
    }
    failed = _fail_each_statement(bench, undoes_all, [method, CALLS[method](account)])
    # BEGIN, the journal twice, COMMIT; and what the method does.
    assert failed >= (5 if is_write else 1)
    assert bench.database.check() == "good" or not is_write


@pytest.mark.parametrize("undoes_all", [False, True], ids=["statement", "transaction"])
def test_row_47_a_message_of_several_calls_is_undone_whole(bench: Bench, undoes_all: bool) -> None:
    account = bench.accounts.create_account(CreateAccountInput(email="a@example.com"))
    failed = _fail_each_statement(
        bench,
        undoes_all,
        ["tokens.consume_tokens", [account.id, 7]],
        ["accounts.create_account", [{"email": "b@example.com"}]],
        ["tokens.top_up", [account.id, 3]],
    )
    assert failed >= 10
    assert bench.tokens.get_balance(account.id).total == account.token_remaining - 4


@pytest.mark.parametrize("undoes_all", [False, True], ids=["statement", "transaction"])
def test_row_47_a_message_with_a_refused_call_is_undone_whole(
    bench: Bench, undoes_all: bool
) -> None:
    account = bench.accounts.create_account(CreateAccountInput(email="a@example.com"))
    failed = _fail_each_statement(
        bench,
        undoes_all,
        ["tokens.consume_tokens", [account.id, 7]],
        ["accounts.create_account", [{"email": "a@example.com"}]],
        ["tokens.top_up", [account.id, 3]],
        refused=1,
    )
    assert failed >= 16  # twice: the second time each write has a savepoint
    assert bench.tokens.get_balance(account.id).total == account.token_remaining - 4


def test_row_47_a_message_that_failed_is_not_done_by_a_later_copy(bench: Bench) -> None:
    account = bench.accounts.create_account(CreateAccountInput(email="a@example.com"))
    before = bench.everything()
    message = request(["tokens.consume_tokens", [account.id, 7]])
    bench.database.fail(3, undoes_all=False)
    first = decode_reply(bench.dispatcher.dispatch(message, 0))[:2]
    assert bench.database.has_failed()
    assert decode_reply(bench.dispatcher.dispatch(message, 0))[:2] == first
    assert bench.everything() == before
