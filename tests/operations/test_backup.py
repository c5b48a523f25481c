import gzip
import json
import signal
import threading
from pathlib import Path

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.operations.running_command import RunningCommand
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

UNFINISHED = ".pack-db-backup.unfinished"


def names(directory: Path) -> list[str]:
    """The files of a directory, but for the lock file that every backup leaves."""
    return sorted(p.name for p in directory.iterdir() if p.name != ".pack-db-backup.lock")


def checks(command: PackDbCommand, database: Path) -> dict[str, str]:
    done = command.run("check", "--json", DB_PATH=str(database))
    return {check["check"]: check["result"] for check in json.loads(done.stdout)}


def test_a_backup_under_writes_is_whole_and_has_all_that_was_acknowledged_before(
    large_database: DaemonProcess, backups: Path
) -> None:
    large_database.start()
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with large_database.client() as db:
            while not stop.is_set():
                db.accounts.create_account(CreateAccountInput(email=f"u{written}@example.com"))
                written += 1

    command = PackDbCommand(large_database)
    with large_database.client() as db:
        before = db.accounts.create_account(CreateAccountInput(email="before@example.com"))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        backup = RunningCommand(command, "backup", str(backups), "--json")
        backup.wait_for_file(backups / UNFINISHED, size=2**20)
        written_by_then = written
        status, shown, complaints = backup.end()
        written_at_end = written
    finally:
        stop.set()
        writer.join()
    assert (status, complaints) == (0, "")
    assert written_at_end > written_by_then  # it held nobody up
    path = Path(json.loads(shown)["path"])
    assert set(checks(command, path).values()) == {"ok"}

    copied = DaemonProcess(backups, {"DB_PATH": str(path)})
    copied.start()
    try:
        with copied.client() as db:
            assert db.accounts.authenticate(before.api_key).id == before.id
    finally:
        copied.clean_up()


def test_a_backup_has_what_a_killed_daemon_left_in_the_write_ahead_log(
    daemon: DaemonProcess, command: PackDbCommand, db: PackDb, backups: Path
) -> None:
    db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    daemon.kill()
    path = command.json("backup", str(backups), "--json")["path"]
    command.environment["DB_PATH"] = path
    assert "1 entries add up to the balances of 1 accounts" in command.text("check")


def test_keep_removes_the_oldest_backups_and_nothing_else(
    command: PackDbCommand, backups: Path
) -> None:
    old = ["pack-db-20200101T000000Z.db", "pack-db-20210101T000000Z.db.gz"]
    others = ["notes.txt", "pack-db-20200101.db", "pack-db-20200101T000000Z.db.keep"]
    for name in (*old, *others):
        (backups / name).write_bytes(b"")
    made = command.json("backup", str(backups), "--keep", "2", "--json")
    assert made["removed"] == 1
    assert names(backups) == sorted([old[1], *others, Path(made["path"]).name])


def test_a_failed_backup_removes_no_old_one(command: PackDbCommand, backups: Path) -> None:
    old = backups / "pack-db-20200101T000000Z.db"
    old.write_bytes(b"")
    done = command.run("backup", str(backups), "--keep", "1", DB_PATH=str(backups / "none.db"))
    assert done.returncode == 5
    assert done.stderr.startswith(f"pack-db: there is no database at {backups / 'none.db'}")
    assert names(backups) == [old.name]


def test_a_compressed_backup_is_what_gzip_reads(command: PackDbCommand, backups: Path) -> None:
    path = Path(command.json("backup", str(backups), "--compress", "--json")["path"])
    assert path.suffix == ".gz"
    assert gzip.decompress(path.read_bytes()).startswith(b"SQLite format 3\0")
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_there_already_is_not_overwritten(command: PackDbCommand, backups: Path) -> None:
    path = backups / "precious"
    path.write_text("a letter")
    done = command.run("backup", str(path))
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"pack-db: {path} is there already")
    assert path.read_text() == "a letter"


def test_the_database_itself_is_no_place_for_a_backup(
    command: PackDbCommand, daemon: DaemonProcess
) -> None:
    done = command.run("backup", str(daemon.database_path))
    assert done.returncode == 5
    assert "is there already" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [(), ("--compress",)])
def test_an_interrupted_backup_leaves_nothing(
    large_database: DaemonProcess,
    backups: Path,
    number: signal.Signals,
    options: tuple[str, ...],
) -> None:
    backup = RunningCommand(PackDbCommand(large_database), "backup", str(backups), *options)
    backup.wait_for_file(backups / (UNFINISHED + (".gz" if options else "")))
    backup.process.send_signal(number)
    status, shown, complaints = backup.end()
    assert (status, shown, complaints.strip()) == (130, "", "")
    assert names(backups) == []


def test_what_a_killed_backup_leaves_is_removed_by_the_next(
    large_database: DaemonProcess, backups: Path
) -> None:
    command = PackDbCommand(large_database)
    backup = RunningCommand(command, "backup", str(backups))
    backup.wait_for_file(backups / UNFINISHED)
    backup.process.kill()
    backup.end()
    assert UNFINISHED in names(backups)
    made = command.json("backup", str(backups), "--json")
    assert names(backups) == [Path(made["path"]).name]


def test_two_backups_at_once_into_one_directory_are_one_too_many(
    large_database: DaemonProcess, backups: Path
) -> None:
    command = PackDbCommand(large_database)
    first = RunningCommand(command, "backup", str(backups))
    first.wait_for_file(backups / UNFINISHED)
    first.process.send_signal(signal.SIGSTOP)  # or it may have ended before the second looks
    second = command.run("backup", str(backups / "another.db"))
    first.process.send_signal(signal.SIGCONT)
    assert second.returncode == 5
    assert f"process {first.process.pid}" in second.stderr
    assert first.end()[0] == 0
    assert len(names(backups)) == 1


def test_a_damaged_database_makes_no_backup(large_database: DaemonProcess, backups: Path) -> None:
    with large_database.database_path.open("r+b") as file:
        file.seek(10 * 2**20)
        file.write(b"\xff" * 2**16)
    done = PackDbCommand(large_database).run("backup", str(backups))
    assert done.returncode == 5
    assert "is damaged" in done.stderr
    assert names(backups) == []


@pytest.mark.parametrize("arguments", [("--keep", "1", "file.db"), ("--keep", "0", ".")])
def test_wrong_usage_is_refused(command: PackDbCommand, arguments: tuple[str, ...]) -> None:
    assert command.run("backup", *arguments).returncode == 2


def test_a_damaged_database_is_not_taken_for_a_damaged_backup(
    daemon: DaemonProcess, command: PackDbCommand, db: PackDb, backups: Path
) -> None:
    for number in range(200):
        db.accounts.create_account(CreateAccountInput(email=f"{number}@example.com"))
    daemon.stop()
    with daemon.database_path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xaa" * 4096)
    done = command.run("backup", str(backups))
    assert (done.returncode, done.stdout) == (5, "")
    assert f"{daemon.database_path} is damaged" in done.stderr
    assert str(backups) not in done.stderr
    assert names(backups) == []
