import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import pack_db
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from pack_db_daemon.cli.main import cli
from tests.contract.test_accounts import NOBODY
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.pack_db_command import PACK_DB, PackDbCommand

ACCOUNT_FIELDS = [
    "id",
    "email",
    "api_key",
    "plan_name",
    "token_remaining",
    "topup_remaining",
    "status",
    "created_at",
    "updated_at",
]


@pytest.fixture
def command(daemon: DaemonProcess) -> PackDbCommand:
    return PackDbCommand(daemon)


@pytest.fixture
def small_messages(short_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(short_path, {"MAX_MESSAGE_BYTES": "4096"})
    daemon.start()
    yield daemon
    daemon.clean_up()


def create_accounts(db: PackDb, count: int) -> list[str]:
    with db.batch() as batch:
        results = [
            batch.submit(db.accounts.create_account, CreateAccountInput(email=f"u{n}@example.com"))
            for n in range(count)
        ]
    return [result.result().id for result in results]


def test_an_account_lives_from_create_to_delete(command: PackDbCommand, db: PackDb) -> None:
    created = command.json("accounts", "create", "a@example.com", "--plan", "Pro", "--json")
    assert list(created) == ACCOUNT_FIELDS
    assert db.accounts.authenticate(created["api_key"]).email == "a@example.com"

    by_email = command.json("accounts", "get", "A@example.com", "--json")
    assert by_email == command.json("accounts", "get", created["id"], "--json")
    assert by_email["api_key"] == f"rs_…{created['api_key'][-4:]}"

    rotated = command.json("accounts", "rotate-key", "a@example.com", "--json")
    assert db.accounts.authenticate(rotated["api_key"]).id == created["id"]

    options = ("--email", "b@example.com", "--plan", "Free", "--status", "inactive")
    updated = command.json("accounts", "update", created["id"], *options, "--json")
    assert (updated["email"], updated["plan_name"], updated["status"]) == (
        "b@example.com",
        "Free",
        "inactive",
    )

    deleted = command.json("accounts", "delete", "b@example.com", "--yes", "--json")
    assert deleted == updated
    assert db.accounts.list_accounts() == []


@pytest.mark.parametrize(
    ("account", "what"),
    [("nobody@example.com", "e-mail address"), (NOBODY, "id"), ("nobody", "id"), ("@", "e-mail")],
)
def test_an_account_that_is_not_there_is_exit_code_1(
    command: PackDbCommand, account: str, what: str
) -> None:
    for subcommand in (["accounts", "get"], ["accounts", "delete", "--yes"]):
        done = command.run(*subcommand, account)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"pack-db: no account has the {what}")
        as_json = command.run(*subcommand, account, "--json")
        assert json.loads(as_json.stderr)["error"]["code"] == "account_not_found"
    assert command.json("call", "accounts.get_account", f'["{account}"]') is None


def test_tokens_are_counted_in_every_way(command: PackDbCommand, db: PackDb) -> None:
    account = db.accounts.create_account(
        CreateAccountInput(email="a@example.com", token_remaining=100)
    )
    on_account = (account.email, "--json")
    command.json("tokens", "consume", account.email, "60", "--json")
    command.json("tokens", "top-up", account.id, "10", "--json")
    overdrawn = command.json("tokens", "consume", account.id, "90", "--allow-overdraft", "--json")
    assert overdrawn == {
        "account_id": account.id,
        "token_remaining": 0,
        "topup_remaining": -40,
    }
    assert command.json("tokens", "balance", *on_account) == overdrawn
    assert command.json("tokens", "renew", *on_account)["token_remaining"] == 1000
    renewed = command.json("tokens", "renew", account.id, "--tokens", "7", "--json")
    assert renewed["token_remaining"] == 7

    entries = command.json("tokens", "entries", *on_account)
    amounts = [entry["amount"] for entry in entries]
    assert amounts == [100, -60, 10, -90, 1000, -993]
    page = command.json("tokens", "entries", *on_account, "--after", "2", "--limit", "2")
    assert page == entries[2:4]


def test_people_get_tables_with_words_for_numbers(command: PackDbCommand) -> None:
    created = command.text("accounts", "create", "a@example.com")
    assert "This is the only time that the API key is shown." in created
    header, row = command.text("accounts", "list").splitlines()
    names = ["id", "email", "plan", "tokens", "top-up", "status"]
    assert header.split("  ")[0] == "id"
    assert [name for name in names if name in header] == names
    assert row.split()[1:] == ["a@example.com", "Free", "1000", "0", "active"]
    assert "Both together: 999 tokens." in command.text("tokens", "consume", "a@example.com", "1")
    assert "consumption      -1" in command.text("tokens", "entries", "a@example.com")


def test_a_stored_text_is_never_taken_for_markup(command: PackDbCommand, db: PackDb) -> None:
    db.accounts.create_account(CreateAccountInput(email="[red]:smile:@example.com"))
    assert "[red]:smile:@example.com" in command.text("accounts", "list")


def test_a_list_pages_through_everything(command: PackDbCommand, db: PackDb) -> None:
    ids = create_accounts(db, 501)
    listed = command.json("accounts", "list", "--json")
    assert [account["id"] for account in listed] == sorted(ids)
    assert command.json("accounts", "list", "--limit", "3", "--json") == listed[:3]
    assert command.json("accounts", "list", "--after", sorted(ids)[499], "--json") == listed[500:]


def test_a_list_is_empty_where_nothing_is_stored(command: PackDbCommand) -> None:
    assert command.json("accounts", "list", "--json") == []
    assert command.text("accounts", "list") == ""


def test_a_list_asks_for_smaller_pages_where_messages_are_small(
    small_messages: DaemonProcess,
) -> None:
    with small_messages.client() as db:
        ids = [
            db.accounts.create_account(CreateAccountInput(email=f"u{n}@example.com")).id
            for n in range(60)
        ]
    listed = PackDbCommand(small_messages).json("accounts", "list", "--json")
    assert [account["id"] for account in listed] == ids


def test_the_status_tells_all(command: PackDbCommand, daemon: DaemonProcess, db: PackDb) -> None:
    db.accounts.list_accounts()
    status = command.json("status", "--json")
    assert status["version"] == pack_db.__version__
    assert status["pid"] == daemon.pid
    assert status["socket_path"] == str(daemon.socket_path)
    assert status["database"]["path"] == str(daemon.database_path)
    text = command.text("status")
    for line in (
        f"pack-db   {pack_db.__version__}, process {daemon.pid}, up ",
        f"socket    {daemon.socket_path}\n",
        f"database  {daemon.database_path}\n",
        f"          {status['database']['engine']}, ",
        f"          schema {status['database']['schema_version']}\n",
        f"          {status['database']['durability']}\n",
        "health    good\n",
        "accounts.list_accounts      1  ",
    ):
        assert line in text


def test_a_refused_call_is_one_line_and_exit_code_1(command: PackDbCommand, db: PackDb) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    done = command.run("tokens", "consume", account.id, "1001")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"pack-db: account {account.id} has 1000 tokens left")
    assert done.stderr.count("\n") == 1


def test_a_refused_call_is_json_where_json_was_asked_for(
    command: PackDbCommand, db: PackDb
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    done = command.run("tokens", "consume", account.id, "1001", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "insufficient_tokens"
    assert error["details"] == {"requested": 1001, "remaining": 1000}
    assert error["message"].startswith(f"account {account.id} has 1000 tokens left")


@pytest.mark.parametrize(
    "arguments",
    [
        ["accounts", "delete", "a@example.com"],  # and no terminal to ask at
        ["accounts", "update", "a@example.com"],
        ["accounts", "list", "--limit", "0"],
        ["tokens", "consume", "a@example.com", "many"],
        ["status", "--timeout", "0"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_no_traceback(
    command: PackDbCommand, db: PackDb, arguments: list[str]
) -> None:
    db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    done = command.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: pack-db" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(db.accounts.list_accounts()) == 1


def test_a_command_without_a_daemon_says_so_and_does_not_wait(short_path: Path) -> None:
    command = PackDbCommand(DaemonProcess(short_path, {"ZMQ_TIMEOUT_MS": "600000"}))
    done = command.run("status")  # or else it would wait for ten minutes
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"pack-db: no daemon listens at {short_path / 's'}")
    assert done.stderr.count("\n") == 1


def test_the_socket_can_be_named(command: PackDbCommand, daemon: DaemonProcess) -> None:
    elsewhere = str(daemon.directory / "elsewhere")
    assert command.run("status", "--socket", elsewhere).returncode == 3
    found = command.run("status", "--socket", str(daemon.socket_path), ZMQ_SOCKET_PATH=elsewhere)
    assert found.returncode == 0


def test_a_wrong_setting_is_exit_code_5(command: PackDbCommand) -> None:
    done = command.run("status", ZMQ_TIMEOUT_MS="soon")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("pack-db: ZMQ_TIMEOUT_MS: must be a whole number")


def test_a_closed_pipe_ends_a_list_in_silence(command: PackDbCommand, db: PackDb) -> None:
    create_accounts(db, 500)
    with subprocess.Popen(
        [*PACK_DB, "accounts", "list", "--json"],
        env=command.environment,
        cwd=command.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 1
        assert process.stderr.read() == b""


def test_an_interrupt_ends_a_call_in_silence(short_path: Path) -> None:
    command = PackDbCommand(DaemonProcess(short_path))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path / "s"))
        listening.listen()
        with subprocess.Popen(
            [*PACK_DB, "call", "daemon.ping", "--timeout", "600"],
            env=command.environment,
            cwd=command.directory,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stderr is not None
            probe, _ = listening.accept()
            connection, _ = listening.accept()
            with probe, connection:
                process.send_signal(signal.SIGINT)
                assert process.wait(PATIENCE_S) == 130
            assert process.stderr.read().strip() == b""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_client_command_loads_only_what_it_needs(
    command: PackDbCommand, options: list[str]
) -> None:
    done = command.run("status", *options, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "pack_db_client" in imported
    assert not imported & {"peewee", "apsw", "cryptography"}
    assert ("rich" in imported) == (options == [])


def test_the_version_is_the_package_s(command: PackDbCommand) -> None:
    assert command.text("--version") == f"pack-db {pack_db.__version__}\n"


def test_every_help_text_has_an_example() -> None:
    def check(command: click.Command, words: list[str]) -> None:
        text = CliRunner().invoke(cli, [*words[1:], "--help"]).output
        if isinstance(command, click.Group):
            for name, subcommand in command.commands.items():
                check(subcommand, [*words, name])
        else:
            assert "Example" in text
            assert " ".join(words) in text.partition("Example")[2]

    check(cli, ["pack-db"])


def test_the_help_lists_the_exit_codes(command: PackDbCommand) -> None:
    assert "3    no daemon listens" in command.text("--help")
