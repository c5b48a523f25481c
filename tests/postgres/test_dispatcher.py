"""The dispatcher on a server that ends a transaction's work at its first failure."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
from pack_db.impls.exactly_once.retries import Retries
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.query import query
from pack_db.interfaces.services import SERVICES
from pack_db_client.protocol.replies import decode_reply
from pack_db_client.protocol.requests import encode_call, encode_request
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.method_table import MethodTable


class Sums(ABC):
    @query
    @abstractmethod
    def divide(self, by: int) -> int: ...


class SumsInSql(Sums):
    def __init__(self, database: DatabaseConnection) -> None:
        self._database = database

    def divide(self, by: int) -> int:
        [(quotient,)] = self._database.execute("SELECT 12 / %s::int", [by])
        return int(quotient)


@pytest.fixture
def factory(new_database: Callable[[], str]) -> Iterator[ServiceFactory]:
    with closing(ServiceFactory(Config({"DB_URL": new_database()}))) as factory:
        factory.get_database_connection().run_migrations()
        yield factory


@pytest.fixture
def database(factory: ServiceFactory) -> DatabaseConnection:
    return factory.get_database_connection()


@pytest.fixture
def dispatcher(factory: ServiceFactory, database: DatabaseConnection) -> Dispatcher:
    services = {**factory.get_services(), "sums": SumsInSql(database)}
    return Dispatcher(
        MethodTable({**SERVICES, "sums": Sums}, services),
        database,
        ExactlyOnce(database, factory.get_reply_journal()),
        CallStatistics(),
        max_reply_bytes=2**18,
        budget_ns=10**12,
        retries=Retries(),
    )


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_query_that_fails_in_the_server_fails_alone(
    dispatcher: Dispatcher, database: DatabaseConnection, position: int
) -> None:
    calls = [
        encode_call("accounts.create_account", [{"email": f"{n}@example.com"}]) for n in range(2)
    ]
    calls.insert(position, encode_call("sums.divide", [0]))
    calls.append(encode_call("sums.divide", [4]))
    deadline_ns = time.monotonic_ns() + 10 * 10**9
    reply = dispatcher.dispatch(encode_request(b"c" * 16, 1, deadline_ns, calls), 1000)
    results = decode_reply(reply)[1]
    expected: list[object] = [0, 0, 0, 0]
    expected[position] = "invalid_input"
    assert [result[0] for result in results] == expected
    assert results[-1][1] == 3
    assert database.execute("SELECT count(*) FROM accounts") == [(2,)]


_FULL_ONCE = """
    CREATE SEQUENCE commits;
    CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('commits') = 1 THEN
            RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER fail_once AFTER INSERT ON ledger_entries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_once()
"""


def test_a_commit_that_failed_is_in_doubt_and_done_again_once_whatever_the_reason(
    dispatcher: Dispatcher, database: DatabaseConnection
) -> None:
    database.execute(_FULL_ONCE)
    call = encode_call("accounts.create_account", [{"email": "a@example.com"}])
    deadline_ns = time.monotonic_ns() + 10 * 10**9
    reply = dispatcher.dispatch(encode_request(b"c" * 16, 1, deadline_ns, [call]), 1000)
    assert [result[0] for result in decode_reply(reply)[1]] == [0]
    assert database.execute("SELECT last_value FROM commits") == [(2,)]
    assert database.execute("SELECT count(*) FROM accounts") == [(1,)]
