import subprocess
import sys
from pathlib import Path

import pytest

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput
from tests.core import killed_first_start

TABLES_OF_MIGRATION = {
    "0001_accounts_and_ledger": {"accounts", "ledger_entries"},
    "0002_reply_journal": {"reply_journal"},
    "0003_reply_journal_expiry": set(),
    "0004_deleted_accounts": {"deleted_accounts"},
}


def migrations_and_tables(database: DatabaseConnection) -> tuple[set[str], set[str]]:
    tables = {n for (n,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables -= {"log_marker"}
    if "schema_migrations" not in tables:
        return set(), tables
    applied = {name for (name,) in database.execute("SELECT name FROM schema_migrations")}
    return applied, tables - {"schema_migrations"}


@pytest.mark.slow
def test_a_first_start_killed_at_any_moment_is_finished_by_the_next(tmp_path: Path) -> None:
    """Row 52: each migration is there whole or not at all."""
    subprocess.run(
        [sys.executable, killed_first_start.__file__, str(tmp_path)], check=True, timeout=120
    )
    directories = sorted(tmp_path.iterdir())
    found = set()
    for directory in directories:
        factory = ServiceFactory(Config({"DB_PATH": str(directory / "pack.db")}))
        database = factory.get_database_connection()
        applied, tables = migrations_and_tables(database)
        assert tables == set().union(*(TABLES_OF_MIGRATION[name] for name in applied))
        found.add(len(applied))

        assert set(database.run_migrations()) == TABLES_OF_MIGRATION.keys() - applied
        factory.get_account_repo().create_account(CreateAccountInput(email="user@example.com"))
        assert database.execute("PRAGMA integrity_check") == [("ok",)]
        factory.close()
        assert sorted(p.name for p in directory.iterdir()) == ["pack.db", "pack.db.lock"]
    # The kills did fall before, between and after the migrations.
    assert found == {0, 1, 2, 3, 4}
