from collections.abc import Callable
from pathlib import Path
from typing import Any

import peewee
import pytest

from pack_db.config import Config
from pack_db.impls.database import models
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.database.storage_errors import ConstraintViolated
from pack_db.impls.migrations import runner
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import CreateAccountInput

MODELS = [m for m in vars(models).values() if isinstance(m, type) and issubclass(m, peewee.Model)]
COLUMN_TYPES = {"TEXT": "TEXT", "BLOB": "BLOB", "BIGINT": "INTEGER", "INT": "INTEGER"}


@pytest.fixture
def filled(database: DatabaseConnection, accounts: AccountRepo) -> DatabaseConnection:
    accounts.create_account(CreateAccountInput(email="user@example.com"))
    return database


def tables(database: DatabaseConnection) -> set[str]:
    return {
        name
        for (name,) in database.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
            "AND name NOT LIKE 'sqlite%' AND name NOT IN ('schema_migrations', 'log_marker')"
        )
    }


def test_the_models_name_all_tables_that_the_migrations_make(database: DatabaseConnection) -> None:
    assert tables(database) == {model._meta.table_name for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_the_columns_that_the_migrations_make(
    database: DatabaseConnection, model: type[peewee.Model]
) -> None:
    made = database.execute(
        'SELECT name, type, "notnull", pk > 0 FROM pragma_table_info(?)', [model._meta.table_name]
    )
    key: Any = model._meta.primary_key
    keys = key.field_names if isinstance(key, peewee.CompositeKey) else (key.name,)
    assert made == [
        (f.column_name, COLUMN_TYPES[f.field_type], int(not f.null), int(f.name in keys))
        for f in model._meta.sorted_fields
    ]


def test_every_table_is_strict(database: DatabaseConnection) -> None:
    loose = database.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
        "AND NOT strict AND name NOT LIKE 'sqlite%' AND name <> 'schema_migrations'"
    )
    assert loose == []


@pytest.mark.parametrize(
    "change",
    [
        "token_remaining = -1",
        "token_remaining = 9007199254740992",
        "token_remaining = NULL",
        "token_remaining = 1.5",
        "token_remaining = 'many'",
        "topup_remaining = -9007199254740992",
        "topup_remaining = 9007199254740992",
        "entry_count = 0",
        "status = 2",
        "status = 'active'",
        "email = 'ab'",
        "email = NULL",
        "email = x'00'",
        "email_key = NULL",
        "api_key_hash = x'00'",
        "api_key_hash = 'plain text of a key, 32 letters.'",
        "api_key_tail = '12345'",
        "plan_name = ''",
        "created_at = 'now'",
    ],
)
def test_the_database_itself_refuses_a_bad_account(filled: DatabaseConnection, change: str) -> None:
    with pytest.raises(ConstraintViolated):
        filled.execute(f"UPDATE accounts SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'gift'",
        "number = 0",
        "number = NULL",
        "amount = NULL",
        "amount = 0.5",
    ],
)
def test_the_database_itself_refuses_a_bad_ledger_entry(
    filled: DatabaseConnection, change: str
) -> None:
    with pytest.raises(ConstraintViolated):
        filled.execute(f"UPDATE ledger_entries SET {change}")


def test_two_accounts_cannot_share_an_address_or_a_key(
    filled: DatabaseConnection, accounts: AccountRepo
) -> None:
    accounts.create_account(CreateAccountInput(email="other@example.com"))
    for column in ("email_key", "api_key_hash"):
        with pytest.raises(ConstraintViolated):
            filled.execute(f"UPDATE accounts SET {column} = (SELECT max({column}) FROM accounts)")


def test_migrations_run_once(config: Config) -> None:
    scripts = sorted(p.stem for p in migrations().glob("[0-9]*.py"))
    database = ServiceFactory(config).get_database_connection()
    assert database.run_migrations() == scripts
    assert database.run_migrations() == []
    assert database.status().schema_version == scripts[-1]
    database.close()


def test_no_key_is_stored_readable(
    filled: DatabaseConnection,
    accounts: AccountRepo,
    config: Config,
    read_files: Callable[[Path], bytes],
) -> None:
    account = accounts.create_account(CreateAccountInput(email="key@example.com"))
    rotated = accounts.rotate_api_key(account.id)
    stored = read_files(config.database_path.parent)
    assert b"key@example.com" in stored
    for key in (account.api_key, rotated.api_key):
        assert key.encode() not in stored
        assert key.removeprefix("rs_").encode() not in stored
        assert bytes.fromhex(key.removeprefix("rs_")) not in stored


@pytest.fixture
def read_files() -> Callable[[Path], bytes]:
    return lambda directory: b"".join(p.read_bytes() for p in directory.iterdir())


def migrations() -> Path:
    return Path(runner.__file__).parent
