"""The commands that work on the database itself, where it is on a server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand
from tests.support.postgres_server import PostgresServer

CHECKS = ["durability", "constraints", "schema", "ledger"]
PASSWORD = "s3cret"


@pytest.fixture
def url(shared_postgres: PostgresServer) -> str:
    # Its user needs none; libpq has it ready all the same.
    return shared_postgres.new_database().replace("@", f":{PASSWORD}@")


@pytest.fixture
def on_postgres(short_path: Path, url: str) -> Iterator[DaemonProcess]:
    """A daemon, not yet started."""
    daemon = DaemonProcess(short_path, {"DB_URL": url})
    yield daemon
    daemon.clean_up()


@pytest.fixture
def command(on_postgres: DaemonProcess) -> PackDbCommand:
    return PackDbCommand(on_postgres)


@pytest.fixture
def account_id(on_postgres: DaemonProcess) -> str:
    on_postgres.start()
    with on_postgres.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        for _ in range(3):
            db.tokens.consume_tokens(account.id, 7)
    return account.id


def test_migrations_are_shown_and_applied_also_beside_a_daemon(
    command: PackDbCommand, on_postgres: DaemonProcess
) -> None:
    pending = command.json("migrate", "status", "--json")
    assert {migration["state"] for migration in pending} == {"pending"}
    assert command.json("migrate", "status", "--json") == pending  # looking changes nothing
    applied = command.json("migrate", "up", "--json")
    assert [m["name"] for m in applied] == [m["name"] for m in pending]
    assert command.json("migrate", "status", "--json") == applied
    on_postgres.start()
    assert command.json("migrate", "up", "--json") == []
    assert PASSWORD not in on_postgres.log
    assert not on_postgres.database_path.exists()


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [(["backup", "."], "pg_dump"), (["restore", "./log"], "pg_restore")],
)
def test_a_command_for_the_file_says_what_to_use_instead(
    command: PackDbCommand, url: str, arguments: list[str], instead: str
) -> None:
    (command.directory / "log").touch()
    done = command.run(*arguments)
    assert (done.returncode, done.stdout) == (5, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("pack-db: DB_URL is set, and this command only knows the file DB_PATH")
    assert instead in line
    assert PASSWORD not in line
    done = command.run(*arguments, DB_URL="")
    assert "DB_URL" not in done.stderr  # it is about the file


def _faults(command: PackDbCommand) -> dict[str, str]:
    done = command.run("check", "--json")
    checks: list[dict[str, Any]] = json.loads(done.stdout)
    assert [check["check"] for check in checks] == CHECKS
    assert (done.returncode, done.stderr) == (1, "")
    found = {c["check"]: c["detail"] for c in checks if c["result"] == "fault"}
    assert "fsync is off" in found.pop("durability")  # the server of the tests is no good
    return found


def test_a_healthy_database_is_found_healthy_beside_its_daemon(
    command: PackDbCommand, account_id: str
) -> None:
    assert _faults(command) == {}
    shown = command.run("check").stdout.splitlines()
    assert shown[-1].endswith("4 entries add up to the balances of 1 accounts")


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        ("UPDATE accounts SET topup_remaining = 1", "ledger", "do not add up"),
        (
            "UPDATE accounts SET token_remaining = 980, topup_remaining = -1",
            "ledger",
            "do not add up",
        ),
        ("DELETE FROM ledger_entries WHERE number = 2", "ledger", "do not add up"),
        ("DELETE FROM ledger_entries", "ledger", "do not add up"),
        ("INSERT INTO schema_migrations VALUES ('0099_later', 1)", "schema", "0099_later"),
        ("DROP INDEX account_email_key", "schema", "account_email_key is missing"),
        ("ALTER TABLE accounts DROP COLUMN status", "schema", "accounts.status is missing"),
        ("DROP TABLE schema_migrations", "schema", '"schema_migrations" does not exist'),
        (
            "ALTER TABLE ledger_entries ADD CONSTRAINT odd CHECK (amount > 0) NOT VALID",
            "constraints",
            "ledger_entries.odd was never checked",
        ),
    ],
)
def test_what_somebody_with_a_shell_broke_is_found(
    command: PackDbCommand,
    shared_postgres: PostgresServer,
    url: str,
    account_id: str,
    change: str,
    check: str,
    detail: str,
) -> None:
    shared_postgres.execute(change, url.rpartition("/")[2])
    found = _faults(command)
    assert list(found) == [check]
    assert detail in found[check]


def test_a_server_that_is_not_there_is_one_clear_line(command: PackDbCommand) -> None:
    away = f"postgresql://me:{PASSWORD}@127.0.0.1:1/mine"
    for arguments in (["check"], ["migrate", "status"], ["migrate", "up"], ["serve"]):
        done = command.run(*arguments, DB_URL=away)
        assert (done.returncode, done.stdout) == (5, "")
        assert "cannot reach postgresql://127.0.0.1:1/mine" in done.stderr
        assert PASSWORD not in done.stderr
