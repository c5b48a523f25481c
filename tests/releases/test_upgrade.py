"""A database that an earlier pack-db made, brought to the schema of this one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from pack_db.config import Config
from pack_db.errors import AccountInactive
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.token import TokenBalance
from pack_db.interfaces.token_repo import TokenRepo
from tests.support.services import existing

DUMPS = sorted((Path(__file__).parents[1] / "data").glob("pack-db-*.sql"))

ADA = "01a20525-96b1-755e-a55f-0c9aa4d11ffa"
ADAS_KEY = "rs_e3f6481aa89760f01d4f04646d7bc610"
BOB = "01a20525-96b6-7736-bfec-b220c458f6e5"


@pytest.fixture(params=DUMPS, ids=lambda dump: dump.stem)
def factory(request: pytest.FixtureRequest, config: Config) -> Iterator[ServiceFactory]:
    """On a database of that release, which has got the schema of this one."""
    old = apsw.Connection(str(config.database_path))
    old.execute(request.param.read_text())
    old.execute("PRAGMA journal_mode = WAL")
    old.close()
    with closing(ServiceFactory(config)) as factory:
        factory.get_database_connection().run_migrations()
        yield factory


@pytest.fixture
def upgraded(factory: ServiceFactory) -> DatabaseConnection:
    return factory.get_database_connection()


@pytest.fixture
def accounts(factory: ServiceFactory) -> AccountRepo:
    return factory.get_account_repo()


@pytest.fixture
def tokens(factory: ServiceFactory) -> TokenRepo:
    return factory.get_token_repo()


def schema(database: DatabaseConnection) -> set[str]:
    rows = database.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {str(sql) for (sql,) in rows}


def test_there_is_a_dump_of_an_earlier_release() -> None:
    assert DUMPS


def test_it_has_the_schema_of_a_new_database(upgraded: DatabaseConnection, tmp_path: Path) -> None:
    new = ServiceFactory(Config({"DB_PATH": str(tmp_path / "new.db")})).get_database_connection()
    new.run_migrations()
    assert schema(upgraded) == schema(new)
    assert upgraded.status().schema_version == new.status().schema_version
    new.close()


def test_it_is_sound(upgraded: DatabaseConnection) -> None:
    assert upgraded.execute("PRAGMA integrity_check") == [("ok",)]
    assert upgraded.execute("PRAGMA foreign_key_check") == []


def test_accounts_keys_and_balances_are_those_of_before(
    accounts: AccountRepo, tokens: TokenRepo
) -> None:
    ada = accounts.authenticate(ADAS_KEY)
    assert (ada.id, ada.email, ada.created_at) == (ADA, "Ada@example.com", 1795382679)
    assert tokens.get_balance(ADA) == TokenBalance(
        account_id=ADA, token_remaining=1000, topup_remaining=35
    )
    assert [e.amount for e in tokens.list_entries(ADA)] == [1050, -1020, 5, 1000]
    assert tokens.get_balance(BOB).total == -10
    assert existing(accounts.get_account(BOB)).plan_name == "Pro"
    with pytest.raises(AccountInactive):
        tokens.consume_tokens(BOB, 1)


def test_it_can_be_written(accounts: AccountRepo, tokens: TokenRepo) -> None:
    assert tokens.consume_tokens(ADA, 1000).total == 35
    assert [e.number for e in tokens.list_entries(ADA, after=4)] == [5]
    accounts.delete_account(BOB)
    assert [account.id for account in accounts.list_accounts()] == [ADA]


def test_replies_to_clients_of_an_earlier_boot_are_forgotten(
    factory: ServiceFactory, upgraded: DatabaseConnection
) -> None:
    factory.get_reply_journal().prune()
    assert upgraded.execute("SELECT count(*) FROM reply_journal") == [(0,)]
