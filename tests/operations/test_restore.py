import json
import signal
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from pack_db.errors import SequenceReused, SequenceTooOld
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.exactly_once.raw_client import raw_client
from tests.operations.running_command import RunningCommand
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

TOP_UP = "tokens.top_up"


def backed_up(command: PackDbCommand, backups: Path, *options: str) -> Path:
    return Path(command.json("backup", str(backups), "--json", *options)["path"])


def restored(command: PackDbCommand, backup: Path) -> Path:
    """Where the replaced database is after a restore that succeeded."""
    return Path(command.json("restore", str(backup), "--json")["replaced"])


def emails(daemon: DaemonProcess) -> list[str]:
    with daemon.client() as db:
        return [account.email for account in db.accounts.list_accounts()]


def emails_in(database: Path) -> list[str]:
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [email for (email,) in connection.execute("SELECT email FROM accounts ORDER BY id")]
    finally:
        connection.close()


@pytest.fixture
def backup(command: PackDbCommand, db: PackDb, backups: Path) -> Path:
    """A backup with an account `old@`; the daemon has `new@`, too, since then."""
    db.accounts.create_account(CreateAccountInput(email="old@example.com"))
    path = backed_up(command, backups)
    db.accounts.create_account(CreateAccountInput(email="new@example.com"))
    return path


@pytest.fixture
def stopped(daemon: DaemonProcess, backup: Path) -> Iterator[DaemonProcess]:
    """`daemon`, ended after `backup` was made; after the test it must be able to start."""
    daemon.stop()
    yield daemon
    daemon.start()


@pytest.mark.parametrize("options", [(), ("--compress",)])
def test_after_a_restore_all_is_as_it_was_and_the_replaced_database_is_kept(
    daemon: DaemonProcess,
    command: PackDbCommand,
    db: PackDb,
    backups: Path,
    options: tuple[str, ...],
) -> None:
    old = db.accounts.create_account(CreateAccountInput(email="old@example.com"))
    path = backed_up(command, backups, *options)
    db.accounts.create_account(CreateAccountInput(email="new@example.com"))
    daemon.stop()
    kept = restored(command, path)
    daemon.start()
    assert db.accounts.authenticate(old.api_key).id == old.id
    assert emails(daemon) == ["old@example.com"]
    assert emails_in(kept) == ["old@example.com", "new@example.com"]
    assert daemon.database_path.stat().st_mode & 0o777 == 0o600
    assert "fault" not in command.text("check")


def test_a_restore_beside_a_daemon_is_refused_and_names_it(
    daemon: DaemonProcess, command: PackDbCommand, backup: Path
) -> None:
    done = command.run("restore", str(backup))
    assert (done.returncode, done.stdout) == (5, "")
    holder = f"{daemon.database_path} is in use by process {daemon.pid}"
    assert done.stderr.startswith(f"pack-db: {holder}")
    assert emails(daemon) == ["old@example.com", "new@example.com"]


def test_what_a_killed_daemon_left_in_its_log_stays_with_the_replaced_database(
    daemon: DaemonProcess, command: PackDbCommand, backup: Path
) -> None:
    daemon.kill()
    assert daemon.database_path.with_name("pack.db-wal").stat().st_size > 0
    kept = restored(command, backup)
    daemon.start()
    assert emails(daemon) == ["old@example.com"]
    assert emails_in(kept) == ["old@example.com", "new@example.com"]


def test_without_a_database_there_is_nothing_to_keep(
    command: PackDbCommand, stopped: DaemonProcess, backup: Path
) -> None:
    stopped.database_path.unlink()
    assert command.json("restore", str(backup), "--json")["replaced"] is None
    assert emails_in(stopped.database_path) == ["old@example.com"]


def test_the_log_of_a_database_that_is_gone_is_kept(
    daemon: DaemonProcess, command: PackDbCommand, backup: Path
) -> None:
    """It has the last writes, in case that the database is found again."""
    daemon.kill()
    path = daemon.database_path
    log, content = path.with_name("pack.db-wal"), path.with_name("pack.db-wal").read_bytes()
    path.unlink()
    assert command.json("restore", str(backup), "--json")["replaced"] is None
    assert not log.exists()
    [kept] = path.parent.glob("pack.db.replaced-*-wal")
    assert kept.read_bytes() == content
    daemon.start()
    assert emails(daemon) == ["old@example.com"]


def test_a_restore_through_a_link_replaces_the_file_and_not_the_link(
    command: PackDbCommand, stopped: DaemonProcess, backup: Path
) -> None:
    link = stopped.directory / "current.db"
    link.symlink_to(stopped.database_path.name)
    done = command.run("restore", str(backup), DB_PATH=str(link))
    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert emails_in(stopped.database_path) == ["old@example.com"]


def test_a_damaged_database_can_be_replaced(
    command: PackDbCommand, stopped: DaemonProcess, backup: Path
) -> None:
    stopped.database_path.write_bytes(b"no database any more" * 1000)
    kept = restored(command, backup)
    assert kept.read_bytes() == b"no database any more" * 1000
    assert emails_in(stopped.database_path) == ["old@example.com"]


def test_a_database_that_another_program_has_open_is_not_replaced(
    command: PackDbCommand, stopped: DaemonProcess, backup: Path
) -> None:
    reader = apsw.Connection(str(stopped.database_path))
    reader.execute("BEGIN; SELECT * FROM accounts").fetchall()
    try:
        done = command.run("restore", str(backup))
    finally:
        reader.close()
    assert done.returncode == 5
    assert "another program has" in done.stderr
    assert emails_in(stopped.database_path) == ["old@example.com", "new@example.com"]


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def scratched(content: bytes) -> bytes:
    return content[:9000] + b"\xff" * 9000 + content[18000:]


@pytest.mark.parametrize("damage", [half, scratched, lambda _: b"", lambda _: b"a letter" * 1000])
@pytest.mark.parametrize("options", [(), ("--compress",)])
def test_a_damaged_backup_replaces_nothing(
    daemon: DaemonProcess,
    command: PackDbCommand,
    backups: Path,
    db: PackDb,
    damage: "type[bytes]",
    options: tuple[str, ...],
) -> None:
    db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    path = backed_up(command, backups, *options)
    path.write_bytes(damage(path.read_bytes()))
    daemon.stop()
    before = sorted(daemon.directory.iterdir())
    done = command.run("restore", str(path), "--json")
    assert (done.returncode, done.stdout) == (5, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] in ("storage_corrupt", "wrong_database")
    assert str(path) in error["message"]
    assert sorted(daemon.directory.iterdir()) == before
    daemon.start()
    assert emails(daemon) == ["a@example.com"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("INSERT INTO schema_migrations VALUES ('9999_from_the_future', 0)", "a newer pack-db"),
        ("PRAGMA application_id = 7", "is not a database of pack-db"),
    ],
)
def test_a_backup_for_another_program_is_refused(
    command: PackDbCommand, stopped: DaemonProcess, backup: Path, change: str, reason: str
) -> None:
    connection = apsw.Connection(str(backup))
    connection.execute(change)
    connection.close()
    done = command.run("restore", str(backup))
    assert done.returncode == 5
    assert reason in done.stderr
    assert emails_in(stopped.database_path) == ["old@example.com", "new@example.com"]


def test_a_file_whose_last_writes_are_in_a_log_beside_it_is_no_backup(
    daemon: DaemonProcess, command: PackDbCommand, stopped: DaemonProcess, backup: Path
) -> None:
    backup.with_name(backup.name + "-wal").write_bytes(b"some writes")
    done = command.run("restore", str(backup))
    assert done.returncode == 5
    assert "this is no backup" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_restore_leaves_the_old_database(
    large_database: DaemonProcess, backups: Path, number: signal.Signals
) -> None:
    command = PackDbCommand(large_database)
    path = backed_up(command, backups)
    large_database.start()
    with large_database.client() as db:
        db.accounts.create_account(CreateAccountInput(email="new@example.com"))
    large_database.stop()
    restore = RunningCommand(command, "restore", str(path))
    copy = large_database.database_path.with_name("pack.db.restoring")
    restore.wait_for_file(copy)
    restore.process.send_signal(number)
    assert restore.end()[0] == (130 if number != signal.SIGKILL else -signal.SIGKILL)
    assert copy.exists() == (number == signal.SIGKILL)
    large_database.start()
    assert emails(large_database) == ["large@example.com", "new@example.com"]
    large_database.stop()
    restored(command, path)  # also over what a killed one left
    assert emails_in(large_database.database_path) == ["large@example.com"]


def test_after_a_restore_a_retry_gets_its_own_reply_or_a_clear_error(
    daemon: DaemonProcess, command: PackDbCommand, db: PackDb, backups: Path
) -> None:
    account_id = db.accounts.create_account(CreateAccountInput(email="a@example.com")).id

    def balance() -> int:
        return db.tokens.get_balance(account_id).total

    with raw_client(daemon.socket_path) as client:
        first, last, lost = (client.request(n, (TOP_UP, (account_id, 10**n))) for n in (1, 2, 3))
        client.reply(first)
        last_reply = client.reply(last)
        path = backed_up(command, backups)
        client.reply(lost)
        assert balance() == 1000 + 10 + 100 + 1000
        client_id = client.client_id
    daemon.stop()
    restored(command, path)
    daemon.start()
    assert balance() == 1000 + 10 + 100
    with raw_client(daemon.socket_path) as stranger:
        # The same sequence of another client is another message.
        other = stranger.request(2, (TOP_UP, (account_id, 5)))
        assert stranger.results(other)[0][1]["topup_remaining"] == 115
    with raw_client(daemon.socket_path, client_id) as client:
        assert client.results(first)[0][0] == SequenceTooOld.code
        changed = client.request(2, (TOP_UP, (account_id, 7)))
        assert client.results(changed)[0][0] == SequenceReused.code
        assert client.reply(last) == last_reply
        assert balance() == 1000 + 115
        # What the backup does not have was undone by the restore, so it is done anew.
        assert client.results(lost)[0][1]["topup_remaining"] == 1115
    assert balance() == 1000 + 1115
