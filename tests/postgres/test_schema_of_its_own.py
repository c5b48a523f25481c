"""Row 89: the database at DB_URL may be an application's."""

from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from pack_db.config import Config
from pack_db.errors import WrongDatabase
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput
from tests.support.services import existing

_TABLES = """
    SELECT schemaname || '.' || tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
# Made by an application; the first two have names of pack-db's tables.
_APPLICATION = """
    CREATE TABLE public.accounts (id int);
    CREATE TABLE public.schema_migrations (version text, name text, applied int);
    INSERT INTO public.schema_migrations VALUES ('1', '9999_of_the_application', 1);
    CREATE TABLE public.orders (id int)
"""


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    """Of a database whose sessions look into `public`, as they do by default."""
    return f"{new_database()}?options=-csearch_path%3Dpublic"


def in_database(url: str, statement: str) -> list[str]:
    with psycopg.connect(url, autocommit=True) as session:
        cursor = session.execute(statement.encode())
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


def test_row_89_an_applications_tables_are_left_alone(url: str) -> None:
    in_database(url, _APPLICATION)
    before = in_database(url, _TABLES)
    with closing(ServiceFactory(Config({"DB_URL": url}))) as factory:
        database, accounts = factory.get_database_connection(), factory.get_account_repo()
        assert database.applied_and_pending()[0] == []
        assert in_database(url, _TABLES) == before
        database.run_migrations()
        account = accounts.create_account(CreateAccountInput(email="a@example.com"))
        assert existing(accounts.get_account(account.id)).email == "a@example.com"
    found = in_database(url, _TABLES)
    assert [name for name in found if not name.startswith("pack_db.")] == before
    assert "pack_db.accounts" in found
    assert in_database(url, "SELECT id FROM public.accounts") == []


def test_row_89_a_schema_with_other_tables_is_refused(url: str) -> None:
    in_database(url, "CREATE SCHEMA pack_db; CREATE TABLE pack_db.orders (id int)")
    with pytest.raises(WrongDatabase, match="schema pack_db with tables of another program"):
        ServiceFactory(Config({"DB_URL": url})).get_database_connection()
    assert in_database(url, _TABLES) == ["pack_db.orders"]


def test_row_89_an_empty_schema_that_was_made_for_it_is_taken(url: str) -> None:
    in_database(url, "CREATE SCHEMA pack_db")
    for _ in range(2):
        with closing(ServiceFactory(Config({"DB_URL": url}))) as factory:
            database = factory.get_database_connection()
            database.run_migrations()
            assert database.status().schema_version.startswith("0")
