"""Row 81: what lies beside a database may belong to another one."""

import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pack_db.config import Config
from pack_db.errors import PackDbError, StorageCorrupt, StorageError, WrongDatabase
from pack_db.impls.service_factory import ServiceFactory

KILLED = """
import os, sys
from pack_db.config import Config
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput

path, write_back, *emails = sys.argv[1:]
factory = ServiceFactory(Config({"DB_PATH": path}))
database, accounts = factory.get_database_connection(), factory.get_account_repo()
database.run_migrations()
for email in emails:
    accounts.create_account(CreateAccountInput(email=email))
    if write_back == "yes":
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
os.kill(os.getpid(), 9)
"""


def written_and_killed(path: Path, *emails: str, write_back: bool = False) -> None:
    """Let a process write these accounts and be killed, so that they are in the log."""
    arguments = [str(path), "yes" if write_back else "no", *emails]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert done.returncode == -9
    assert log_of(path).stat().st_size > 0


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def emails_in(path: Path) -> list[str]:
    with closing(ServiceFactory(Config({"DB_PATH": str(path)}))) as factory:
        factory.get_database_connection().run_migrations()
        return [account.email for account in factory.get_account_repo().list_accounts()]


def refusal(path: Path) -> PackDbError:
    before = contents(path.parent)
    with pytest.raises(PackDbError) as caught:
        emails_in(path)
    assert contents(path.parent) == before
    return caught.value


def contents(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir() if not p.name.endswith(".lock")}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "database").mkdir()
    return tmp_path / "database" / "pack.db"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    return tmp_path / "other" / "pack.db"


def test_row_81_a_log_without_its_database_is_left_alone(path: Path, tmp_path: Path) -> None:
    written_and_killed(path, "a@example.com")
    away = tmp_path / "away"
    path.rename(away)
    error = refusal(path)
    assert type(error) is WrongDatabase
    assert f"{path} is gone, and its write-ahead log {log_of(path)} is still there" in str(error)
    away.rename(path)
    assert emails_in(path) == ["a@example.com"]


@pytest.mark.parametrize("write_back", [False, True])
def test_row_81_the_log_of_another_database_is_refused(
    path: Path, other: Path, write_back: bool
) -> None:
    written_and_killed(path, "a@example.com", write_back=write_back)
    written_and_killed(other, "b@example.com", write_back=write_back)
    kept = log_of(path).rename(path.with_name("kept"))
    shutil.copy(log_of(other), log_of(path))
    error = refusal(path)
    assert type(error) is WrongDatabase
    assert f"{log_of(path)} is the write-ahead log of another database" in str(error)
    kept.rename(log_of(path))
    assert emails_in(path) == ["a@example.com"]
    assert emails_in(other) == ["b@example.com"]


def test_row_81_an_older_copy_beside_the_log_is_refused(path: Path, tmp_path: Path) -> None:
    """As when a backup was copied to the place of the database of a daemon that was killed."""
    assert emails_in(path) == []
    backup, newest = tmp_path / "backup", tmp_path / "newest"
    shutil.copy(path, backup)
    written_and_killed(path, "a@example.com")
    assert emails_in(path) == ["a@example.com"]  # written back
    written_and_killed(path, "b@example.com")
    path.rename(newest)
    shutil.copy(backup, path)
    assert type(refusal(path)) is WrongDatabase
    newest.rename(path)
    assert emails_in(path) == ["a@example.com", "b@example.com"]


@pytest.mark.parametrize("write_back", [False, True])
def test_row_81_a_database_and_its_log_may_be_copied_elsewhere(
    path: Path, other: Path, write_back: bool
) -> None:
    emails = [f"{letter}@example.com" for letter in "abcdef"]
    written_and_killed(path, *emails[:3], write_back=write_back)
    written_and_killed(path, *emails[3:], write_back=write_back)
    shutil.copy(path, other)
    shutil.copy(log_of(path), log_of(other))
    assert emails_in(other) == emails
    assert emails_in(path) == emails


def test_row_81_a_log_that_was_begun_anew_still_belongs_to_its_database(path: Path) -> None:
    """As often as it is written back, and at whatever moment the process is killed."""
    emails = [f"{number}@example.com" for number in range(9)]
    for number, email in enumerate(emails):
        written_and_killed(path, email, write_back=number % 2 == 0)
    assert emails_in(path) == emails


def test_row_81_a_journal_that_another_program_left_is_refused(path: Path) -> None:
    assert emails_in(path) == []
    path.with_name("pack.db-journal").write_bytes(b"rollback")
    error = refusal(path)
    assert type(error) is WrongDatabase
    assert f"{path}-journal is there" in str(error)


def test_row_81_what_a_killed_first_start_left_is_no_part_of_the_next(path: Path) -> None:
    written_and_killed(path, "a@example.com")
    path.rename(path.with_name("pack.db.new"))
    log_of(path).rename(path.with_name("pack.db.new-wal"))
    assert emails_in(path) == []
    assert [name for name in contents(path.parent) if ".new" in name] == []


def test_row_81_an_empty_log_is_no_obstacle(path: Path) -> None:
    log_of(path).touch()
    assert emails_in(path) == []


def test_row_81_a_database_that_is_cut_off_is_refused_however_large(path: Path) -> None:
    database = ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
    database.run_migrations()
    database.execute("CREATE TABLE large (content BLOB)")
    database.execute("INSERT INTO large VALUES (zeroblob(20 * 1024 * 1024))")
    database.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    error = refusal(path)
    assert type(error) is StorageCorrupt
    assert "is cut off after" in str(error)


@pytest.mark.parametrize("target", ["volume/pack.db", "link"], ids=["gone", "itself"])
def test_row_83_a_link_to_nothing_is_refused_and_stays(tmp_path: Path, target: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(StorageError, match=f"{link}"):
        emails_in(link)
    assert link.is_symlink()
    assert list(tmp_path.iterdir()) == [link]
