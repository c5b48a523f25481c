"""Row 87: an account with a long ledger is deleted at once, and its entries go in steps."""

import itertools
from contextlib import closing, suppress
from pathlib import Path

import apsw
import pytest

from pack_db.config import Config
from pack_db.errors import AccountNotFound, InvalidApiKey
from pack_db.impls.postgres.postgres_check import check_server
from pack_db.impls.service_factory import ServiceFactory
from pack_db.impls.sqlite.sqlite_check import check_database
from pack_db.interfaces.entities.account import Account, CreateAccountInput
from tests.faults.conditions import wait_until
from tests.support.daemon_process import DaemonProcess
from tests.support.postgres_server import PostgresServer

ENTRIES = 2_300
SELECT_ENTRIES = "SELECT COUNT(*) FROM ledger_entries"


@pytest.fixture(params=["sqlite", "postgresql"])
def any_factory(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ServiceFactory:
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("shared_postgres")
        monkeypatch.setenv("DB_URL", server.new_database())
    factory: ServiceFactory = request.getfixturevalue("factory")
    return factory


def with_long_ledger(factory: ServiceFactory, email: str = "a@example.com") -> Account:
    account = factory.get_account_repo().create_account(CreateAccountInput(email=email))
    tokens = factory.get_token_repo()
    with factory.get_database_connection().transaction():
        for _ in range(ENTRIES - 1):
            tokens.top_up(account.id, 1)
    return account


def entries(factory: ServiceFactory) -> int:
    [(count,)] = factory.get_database_connection().execute(SELECT_ENTRIES)
    return int(count)


def faults(factory: ServiceFactory) -> list[str]:
    config, database = factory.get_config(), factory.get_database_connection()
    checks = check_database(config.database_path) if config.database_url is None else None
    return [
        found.detail
        for found in checks or check_server(database)
        if found.result == "fault" and "fsync" not in found.detail
    ]


def test_row_87_it_is_gone_at_once_and_its_entries_go_in_steps(any_factory: ServiceFactory) -> None:
    account = with_long_ledger(any_factory)
    other = any_factory.get_account_repo().create_account(CreateAccountInput(email="b@example.com"))
    accounts, tokens = any_factory.get_account_repo(), any_factory.get_token_repo()
    accounts.delete_account(account.id)

    assert [a.id for a in accounts.list_accounts()] == [other.id]
    assert accounts.get_account(account.id) is None
    for call in (tokens.get_balance, tokens.list_entries):
        with pytest.raises(AccountNotFound):
            call(account.id)
    assert accounts.get_account_by_email("a@example.com") is None
    with pytest.raises(InvalidApiKey):
        accounts.authenticate(account.api_key)
    with pytest.raises(AccountNotFound):
        accounts.delete_account(account.id)
    again = accounts.create_account(CreateAccountInput(email="a@example.com"))
    assert len(tokens.list_entries(again.id)) == 1

    left = [entries(any_factory)]
    assert left[0] > 2
    assert faults(any_factory) == []
    while any_factory.tidy_up():
        left.append(entries(any_factory))
    assert all(before - after <= 500 for before, after in itertools.pairwise(left))
    assert entries(any_factory) == 2
    assert faults(any_factory) == []
    assert any_factory.get_database_connection().execute("SELECT id FROM deleted_accounts") == []


def test_row_87_a_short_ledger_is_gone_at_once(any_factory: ServiceFactory) -> None:
    accounts = any_factory.get_account_repo()
    account = accounts.create_account(CreateAccountInput(email="a@example.com"))
    accounts.delete_account(account.id)
    assert entries(any_factory) == 0
    assert not any_factory.tidy_up()


def test_row_87_a_deletion_that_is_undone_has_removed_nothing(any_factory: ServiceFactory) -> None:
    account = with_long_ledger(any_factory)
    with suppress(KeyError), any_factory.get_database_connection().transaction():
        any_factory.get_account_repo().delete_account(account.id)
        raise KeyError
    assert not any_factory.tidy_up()
    assert entries(any_factory) == ENTRIES
    assert faults(any_factory) == []


def test_row_87_entries_without_an_account_that_was_deleted_are_a_fault(
    any_factory: ServiceFactory,
) -> None:
    any_factory.get_account_repo().create_account(CreateAccountInput(email="a@example.com"))
    any_factory.get_database_connection().execute("DELETE FROM accounts")
    assert faults(any_factory) == ["1 rows of ledger_entries have no row in accounts"]


def test_row_87_the_daemon_removes_them_also_after_a_crash(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    daemon.stop()
    config = Config({"DB_PATH": str(daemon.database_path)})
    with closing(ServiceFactory(config)) as factory:
        database = factory.get_database_connection()
        database.execute("INSERT INTO deleted_accounts VALUES ('gone', 0)")
        database.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
            "INSERT INTO ledger_entries SELECT 'gone', i, 'top_up', 1, 0, 0, 0 FROM n"
        )
    daemon.start()
    with closing(
        apsw.Connection(str(daemon.database_path), flags=apsw.SQLITE_OPEN_READONLY)
    ) as reader:
        wait_until(lambda: reader.execute(SELECT_ENTRIES).get < 3000, "some are gone")
        daemon.kill()
        daemon.start()
        wait_until(lambda: reader.execute(SELECT_ENTRIES).get == 0, "all are gone")
