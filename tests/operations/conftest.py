from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pack_db.config import Config
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

_ENTRIES = 300_000  # about 25 MB, so that a copy takes many steps

_FILL = """
    WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
    INSERT INTO ledger_entries SELECT ?, n, 'top_up', 1, 1000, n - 1, 1700000000 FROM numbers
"""


@pytest.fixture
def command(daemon: DaemonProcess) -> PackDbCommand:
    return PackDbCommand(daemon)


@pytest.fixture
def backups(short_path: Path) -> Path:
    directory = short_path / "backups"
    directory.mkdir()
    return directory


@pytest.fixture
def large_database(short_path: Path) -> Iterator[DaemonProcess]:
    """A daemon, not yet started, whose database is too large to be copied in an instant."""
    daemon = DaemonProcess(short_path)
    with closing(ServiceFactory(Config(daemon.environment))) as factory:
        database, accounts = factory.get_database_connection(), factory.get_account_repo()
        database.run_migrations()
        account = accounts.create_account(CreateAccountInput(email="large@example.com"))
        with database.transaction():
            database.execute(_FILL, (_ENTRIES, account.id))
            database.execute(
                "UPDATE accounts SET entry_count = ?, topup_remaining = ?",
                (_ENTRIES, _ENTRIES - 1),
            )
    yield daemon
    daemon.clean_up()
