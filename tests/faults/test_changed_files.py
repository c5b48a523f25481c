"""Files that somebody moves, removes or damages while the daemon uses them."""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from pack_db.errors import StorageCorrupt, StorageMoved
from pack_db_client import Account, CreateAccountInput, PackDb
from tests.faults.conditions import wait_until
from tests.faults.good_client import good_client
from tests.support.daemon_process import DaemonProcess


@pytest.fixture
def account(db: PackDb) -> Account:
    return db.accounts.create_account(CreateAccountInput(email="a@example.com"))


def _remove(path: Path) -> None:
    path.unlink()


def _rename(path: Path) -> None:
    path.rename(path.with_name("moved"))


def _replace(path: Path) -> None:
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


@pytest.mark.parametrize("name", ["pack.db", "pack.db-wal"])
@pytest.mark.parametrize("change", [_remove, _rename, _replace])
def test_row_49_nothing_is_written_into_a_file_that_is_no_longer_the_database(
    daemon: DaemonProcess, db: PackDb, account: Account, name: str, change: Callable[[Path], None]
) -> None:
    path = daemon.database_path.with_name(name)
    with good_client(daemon.socket_path):
        change(path)
        for _ in range(3):
            with pytest.raises(StorageMoved, match=str(path)):
                db.tokens.consume_tokens(account.id, 1)
        assert db.tokens.get_balance(account.id).total == account.token_remaining
        assert str(path) in db.status().database.health
    assert daemon.log.count("storage_moved: ") == 1


def test_row_49_a_moved_file_is_noticed_without_a_write(daemon: DaemonProcess, db: PackDb) -> None:
    _rename(daemon.database_path)
    wait_until(lambda: "is gone" in db.status().database.health, "it was noticed")


def test_row_49_a_directory_that_another_takes_the_place_of_is_noticed(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    """As programs are deployed: `current` is a symbolic link, to another release now."""
    current = daemon.directory / "current"
    for release in ("1", "2"):
        (daemon.directory / release).mkdir()
    current.symlink_to("1")
    daemon.stop()
    daemon.database_path.rename(current / "pack.db")
    daemon.environment["DB_PATH"] = str(current / "pack.db")
    daemon.start()
    current.unlink()
    current.symlink_to("2")
    with pytest.raises(StorageMoved, match=str(current / "pack.db")):
        db.tokens.consume_tokens(account.id, 1)


def test_row_49_a_file_that_is_put_back_is_written_to_again(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    path = daemon.database_path
    _rename(path)
    with pytest.raises(StorageMoved):
        db.tokens.consume_tokens(account.id, 1)
    path.with_name("moved").rename(path)
    db.tokens.consume_tokens(account.id, 2)
    assert db.status().database.health == "good"
    daemon.kill()
    daemon.start()
    assert db.tokens.get_balance(account.id).total == account.token_remaining - 2


def _halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _overwrite(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def _copy_over(path: Path) -> None:
    """As `cp -p` does it with an older backup."""
    backup = path.with_name("backup")
    with closing(apsw.Connection(str(backup))) as other:
        other.execute("CREATE TABLE another (content)")
    content = backup.read_bytes().ljust(path.stat().st_size, b"\0")
    with path.open("r+b") as file:
        file.write(content[: path.stat().st_size])
    os.utime(path, (1e9, 1e9))


@pytest.mark.parametrize("change", [_halve, _overwrite, _copy_over])
def test_row_85_a_database_that_is_overwritten_in_its_place_is_noticed(
    daemon: DaemonProcess, db: PackDb, account: Account, change: Callable[[Path], None]
) -> None:
    path = daemon.database_path
    log = path.with_name("pack.db-wal")
    wait_until(lambda: db.status().database.health == "good", "it was looked at")
    change(path)
    wait_until(lambda: "overwritten or cut off" in db.status().database.health, "it was noticed")
    with pytest.raises(StorageCorrupt, match="restart"):
        db.tokens.consume_tokens(account.id, 1)
    changed, written = path.read_bytes(), log.read_bytes()
    assert daemon.stop() == 0
    # What was answered is still in the log, for whoever puts the right database back.
    assert (path.read_bytes(), log.read_bytes()) == (changed, written)


def test_row_85_what_the_daemon_and_others_write_back_is_no_fault(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    size = daemon.database_path.stat().st_size
    with closing(apsw.Connection(str(daemon.database_path))) as outsider:
        for number in range(3):
            db.accounts.create_account(CreateAccountInput(email=f"{number}@example.com"))
            outsider.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            seen_s = db.status().uptime_s
            wait_until(lambda: db.status().uptime_s > seen_s + 1, "it was looked at")  # noqa: B023
    assert daemon.database_path.stat().st_size > size
    assert db.status().database.health == "good"


def test_row_48_a_page_that_was_damaged_meanwhile_ends_all_writing(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    for number in range(200):
        db.accounts.create_account(CreateAccountInput(email=f"{number}@example.com"))
    outsider = apsw.Connection(str(daemon.database_path))
    [(blocked, _, _)] = outsider.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert not blocked
    with daemon.database_path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xaa" * (size - 4096))
    outsider.execute("PRAGMA user_version = 1")  # so the daemon's cache is out of date
    outsider.close()

    with pytest.raises(StorageCorrupt):
        db.accounts.get_account(account.id)
    for _ in range(2):
        with pytest.raises(StorageCorrupt, match="restart"):
            db.accounts.create_account(CreateAccountInput(email="b@example.com"))
    assert "is damaged" in db.status().database.health
    daemon.kill()
    daemon.start(wait=False)
    assert daemon.wait() == 5
    assert f"{daemon.database_path} is damaged" in daemon.log.splitlines()[-1]
