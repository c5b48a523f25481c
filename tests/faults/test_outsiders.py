"""Other programs that open the database's file, such as the `sqlite3` shell."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from pack_db.errors import StorageBusy
from pack_db_client import Account, CreateAccountInput, PackDb
from tests.daemon_life.test_notifications import Notifications
from tests.faults.conditions import wait_until
from tests.faults.good_client import good_client
from tests.support.daemon_process import DaemonProcess


@pytest.fixture
def notifications(short_path: Path) -> Iterator[Notifications]:
    notifications = Notifications(str(short_path / "notify"))
    yield notifications
    notifications.socket.close()


@pytest.fixture
def daemon(short_path: Path, notifications: Notifications) -> Iterator[DaemonProcess]:
    settings = {"NOTIFY_SOCKET": str(short_path / "notify"), "WATCHDOG_USEC": "30000000"}
    daemon = DaemonProcess(short_path, settings)
    daemon.start()
    yield daemon
    daemon.clean_up()


@pytest.fixture
def account(db: PackDb) -> Account:
    return db.accounts.create_account(CreateAccountInput(email="a@example.com"))


@pytest.fixture
def outsider(daemon: DaemonProcess) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(daemon.database_path))
    yield connection
    connection.close()


def test_row_50_a_lock_of_an_outsider_makes_writes_fail_and_nothing_else(
    daemon: DaemonProcess,
    db: PackDb,
    account: Account,
    outsider: apsw.Connection,
    notifications: Notifications,
) -> None:
    assert notifications.next()["READY"] == "1"
    with good_client(daemon.socket_path) as good:
        outsider.execute("BEGIN IMMEDIATE")
        for _ in range(20):  # only the first one waits long, or nobody would be served in time
            with pytest.raises(StorageBusy):
                db.tokens.consume_tokens(account.id, 1)
        good.wait_for_answers(100)
        assert "another program holds" in notifications.next()["STATUS"]
        notifications.wait_for_sign_of_life()

        outsider.execute("ROLLBACK")
        assert db.tokens.consume_tokens(account.id, 1).total == account.token_remaining - 1
        assert "holds" not in notifications.next()["STATUS"]
        assert db.status().database.health == "good"
    assert daemon.log.count("storage_busy: ") == 1


def test_row_51_a_reader_that_keeps_the_log_from_shrinking_is_told_of(
    daemon: DaemonProcess, db: PackDb, account: Account, outsider: apsw.Connection
) -> None:
    log = daemon.database_path.with_name("pack.db-wal")
    reader = apsw.Connection(str(daemon.database_path))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM accounts").fetchall()
    outsider.execute("PRAGMA wal_autocheckpoint = 0")
    outsider.execute("CREATE TABLE large (content)")
    with good_client(daemon.socket_path) as good:
        outsider.execute("INSERT INTO large VALUES (zeroblob(70 * 1024 * 1024))")
        wait_until(lambda: "keeps reading" in db.status().database.health, "health tells of it")
        db.tokens.consume_tokens(account.id, 1)
        good.wait_for_answers(100)

        reader.close()
        wait_until(lambda: db.status().database.health == "good", "health is good again")
        db.tokens.consume_tokens(account.id, 1)
        good.wait_for_answers(20)
    assert log.stat().st_size <= 64 * 2**20
    assert daemon.log.count("keeps reading") == 1
