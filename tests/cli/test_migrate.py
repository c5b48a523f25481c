import json
from pathlib import Path

import pytest

from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand


@pytest.fixture
def stopped(short_path: Path) -> PackDbCommand:
    """The command line of a machine where no daemon has run yet."""
    return PackDbCommand(DaemonProcess(short_path))


def states(command: PackDbCommand) -> set[str]:
    return {migration["state"] for migration in command.json("migrate", "status", "--json")}


def test_what_is_pending_is_shown_applied_and_shown_as_applied(stopped: PackDbCommand) -> None:
    pending = stopped.json("migrate", "status", "--json")
    assert {migration["state"] for migration in pending} == {"pending"}
    assert list(stopped.directory.iterdir()) == []  # looking makes no database

    applied = stopped.json("migrate", "up", "--json")
    assert [m["name"] for m in applied] == [m["name"] for m in pending]
    assert stopped.json("migrate", "status", "--json") == applied
    assert stopped.json("migrate", "up", "--json") == []
    assert "newest already" in stopped.text("migrate", "up")


def test_people_get_a_table_of_migrations(stopped: PackDbCommand) -> None:
    header, first, *_ = stopped.text("migrate", "status").splitlines()
    assert header.split() == ["name", "state"]
    assert first.split() == ["0001_accounts_and_ledger", "pending"]


def test_beside_a_daemon_the_schema_can_be_read_but_not_changed(daemon: DaemonProcess) -> None:
    command = PackDbCommand(daemon)
    assert states(command) == {"applied"}
    done = command.run("migrate", "up")
    assert (done.returncode, done.stdout) == (5, "")
    holder = f"{daemon.database_path} is in use by process {daemon.pid}"
    assert done.stderr.startswith(f"pack-db: {holder}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"a letter, not a database" * 100])
@pytest.mark.parametrize("subcommand", ["status", "up"])
def test_another_file_is_refused_and_untouched(
    stopped: PackDbCommand, subcommand: str, content: bytes
) -> None:
    path = stopped.directory / "pack.db"
    path.write_bytes(content)
    done = stopped.run("migrate", subcommand, "--json")
    assert (done.returncode, done.stdout) == (5, "")
    assert json.loads(done.stderr)["error"]["code"] == "wrong_database"
    assert path.read_bytes() == content
