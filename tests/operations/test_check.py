import json
from pathlib import Path
from typing import Any

import apsw
import pytest

from pack_db.impls.sqlite.mounted_file_system import NETWORKED, file_system_type
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

CHECKS = ["file system", "permissions", "integrity", "foreign keys", "schema", "ledger"]


@pytest.fixture
def account_id(db: PackDb) -> str:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    for _ in range(3):
        db.tokens.consume_tokens(account.id, 7)
    return account.id


@pytest.fixture
def stopped(daemon: DaemonProcess, account_id: str) -> DaemonProcess:
    daemon.stop()
    return daemon


def faults(command: PackDbCommand) -> dict[str, str]:
    """The details of the checks that found something."""
    done = command.run("check", "--json")
    checks: list[dict[str, Any]] = json.loads(done.stdout)
    found = {c["check"]: c["detail"] for c in checks if c["result"] == "fault"}
    assert [check["check"] for check in checks] == CHECKS
    assert (done.returncode, done.stderr) == (1 if found else 0, "")
    return found


def tamper(daemon: DaemonProcess, sql: str) -> None:
    """Change the database as somebody with a shell would who knows no rules."""
    connection = apsw.Connection(str(daemon.database_path))
    try:
        connection.execute(sql)
    finally:
        connection.close()


def test_a_healthy_database_has_a_line_for_each_check_beside_its_daemon_and_without(
    daemon: DaemonProcess, command: PackDbCommand, account_id: str
) -> None:
    beside = command.text("check")
    lines = beside.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == CHECKS
    assert all("  ok  " in line for line in lines[1:])
    assert lines[-1].endswith("4 entries add up to the balances of 1 accounts")
    daemon.kill()
    assert command.text("check") == beside
    daemon.start()  # the check left nothing behind that would disturb it


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        ("UPDATE accounts SET topup_remaining = 1", "ledger", "do not add up"),
        (
            "UPDATE accounts SET token_remaining = 980, topup_remaining = -1",
            "ledger",
            "do not add up",
        ),
        ("UPDATE accounts SET entry_count = 5", "ledger", "do not add up"),
        ("UPDATE ledger_entries SET amount = 8 WHERE number = 2", "ledger", "do not add up"),
        ("UPDATE ledger_entries SET number = 9 WHERE number = 2", "ledger", "do not add up"),
        ("DELETE FROM ledger_entries", "ledger", "do not add up"),
        ("DELETE FROM accounts", "foreign keys", "4 rows of ledger_entries"),
        ("DROP TABLE reply_journal", "schema", "reply_journal is missing"),
        ("ALTER TABLE accounts ADD COLUMN note TEXT", "schema", "accounts is missing or was"),
        ("INSERT INTO schema_migrations VALUES ('9_new', 0)", "schema", "by a newer pack-db"),
    ],
)
def test_what_was_tampered_with_is_found(
    stopped: DaemonProcess, command: PackDbCommand, change: str, check: str, detail: str
) -> None:
    tamper(stopped, change)
    found = faults(command)
    assert list(found) == [check]
    assert detail in found[check]


def test_a_missing_table_is_a_fault_and_no_crash(
    stopped: DaemonProcess, command: PackDbCommand
) -> None:
    tamper(stopped, "DROP TABLE ledger_entries")
    assert list(faults(command)) == ["schema", "ledger"]


def test_tables_of_others_are_their_own_affair(
    stopped: DaemonProcess, command: PackDbCommand
) -> None:
    tamper(stopped, "CREATE TABLE notes (text TEXT)")
    assert faults(command) == {}


def test_of_many_faults_the_first_are_named_and_the_rest_counted(
    daemon: DaemonProcess, command: PackDbCommand, db: PackDb
) -> None:
    for n in range(10):
        db.accounts.create_account(CreateAccountInput(email=f"u{n}@example.com"))
    daemon.stop()
    tamper(daemon, "UPDATE accounts SET topup_remaining = 1")
    assert faults(command)["ledger"].endswith("; and 7 more")


def test_a_damaged_page_is_found(large_database: DaemonProcess) -> None:
    with large_database.database_path.open("r+b") as file:
        file.seek(10 * 2**20)
        file.write(b"\xff" * 2**16)
    assert "integrity" in faults(PackDbCommand(large_database))


@pytest.mark.parametrize(("name", "mode"), [("pack.db", 0o644), ("pack.db.lock", 0o620)])
def test_a_file_that_others_may_use_is_a_fault(
    stopped: DaemonProcess, command: PackDbCommand, name: str, mode: int
) -> None:
    path = stopped.directory / name
    path.chmod(mode)
    assert faults(command) == {"permissions": f"{path} has mode {mode:04o}; chmod g-w,o= {path}"}


def test_a_directory_that_everybody_may_write_to_is_a_fault(
    stopped: DaemonProcess, command: PackDbCommand
) -> None:
    stopped.directory.chmod(0o777)
    assert "everybody may write to" in faults(command)["permissions"]


@pytest.mark.parametrize("content", [None, b"", b"a letter" * 1000])
def test_where_no_database_is_there_is_nothing_to_check(
    daemon: DaemonProcess, command: PackDbCommand, content: bytes | None
) -> None:
    path = daemon.directory / "other.db"
    if content is not None:
        path.write_bytes(content)
    done = command.run("check", DB_PATH=str(path))
    assert (done.returncode, done.stdout) == (5, "")
    assert str(path) in done.stderr
    assert path.exists() == (content is not None)


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /srv rw,relatime shared:9 - nfs4 server:/export rw,vers=4.2
31 30 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
32 22 0:26 / /mnt/a\\040b rw,relatime shared:10 master:3 - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/pack-db/pack-db.db", "ext4"),
        ("/srv/pack.db", "nfs4"),
        ("/srvother/pack.db", "ext4"),
        ("/srv/local/pack.db", "xfs"),
        ("/mnt/a b/pack.db", "cifs"),
    ],
)
def test_the_file_system_is_that_of_the_innermost_mount(
    tmp_path: Path, path: str, kind: str
) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTS)
    assert file_system_type(Path(path), mountinfo) == kind


def test_file_systems_of_other_hosts_are_known_as_such(tmp_path: Path) -> None:
    assert {"nfs", "nfs4", "cifs"} <= NETWORKED
    assert file_system_type(tmp_path) not in NETWORKED
