import json

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand


@pytest.fixture
def command(daemon: DaemonProcess) -> PackDbCommand:
    return PackDbCommand(daemon)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create", "b@example.com", "--plan", "Trial"], "give --tokens"),
        (["create", "b@example.com", "--tokens", "-1"], "--tokens must be a whole number"),
        (["create", "b@example.com", "--topup", "-1"], "--topup must be a whole number"),
        (["create", "a@example.com"], "another account has the e-mail address a@example.com"),
        (["update", "a@example.com", "--email", "nobody"], "--email must look like"),
    ],
)
def test_an_error_names_the_option(
    command: PackDbCommand, db: PackDb, arguments: list[str], says: str
) -> None:
    db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    done = command.run("accounts", *arguments)
    assert done.returncode == 1
    assert says in done.stderr


def test_a_missing_argument_is_named_without_grammar(command: PackDbCommand) -> None:
    done = command.run("call", "accounts.get_account")
    assert (done.returncode, done.stderr) == (
        1,
        "pack-db: accounts.get_account: account_id is missing\n",
    )


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("account=5", "account must be an object, not a whole number"),
        ('account={"token_remaining": 5}', "account lacks email"),
        ('account={"emial": "a@b.c"}', "account: unknown field emial; CreateAccountInput takes"),
        ("acount=5", "unknown argument acount; it takes account"),
        ('account={"email": 5}', "account.email must be text, not a whole number"),
        ('account={"email": "a@b.c", "token_remaining": []}', "must be a whole number or null"),
    ],
)
def test_an_argument_of_a_wrong_kind_is_named_in_plain_words(
    command: PackDbCommand, argument: str, says: str
) -> None:
    done = command.run("call", "accounts.create_account", argument)
    assert done.returncode == 1
    assert says in done.stderr
    assert "`" not in done.stderr


def test_an_address_is_as_good_as_an_id_for_call(command: PackDbCommand, db: PackDb) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    balance = command.json("call", "tokens.get_balance", "account_id=A@example.com")
    assert balance["account_id"] == account.id
    nobody = command.run("call", "accounts.get_account", "account_id=b@example.com")
    assert nobody.returncode == 1
    assert nobody.stderr == "pack-db: no account has the e-mail address b@example.com\n"


@pytest.mark.parametrize("text", ['{"email": ', '{"email" 3}'])
def test_what_is_no_json_is_told_with_the_place(command: PackDbCommand, text: str) -> None:
    for arguments in ([text], [f"account={text}"]):
        done = command.run("call", "accounts.create_account", *arguments)
        assert done.returncode == 2
        assert "not valid JSON: " in done.stderr
        assert "too early" in done.stderr or "byte 9" in done.stderr


def test_wrong_usage_is_json_where_json_was_asked_for(command: PackDbCommand) -> None:
    done = command.run("accounts", "get", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr)["error"] == {
        "code": "usage",
        "message": "Missing argument 'ACCOUNT'.",
        "details": {},
    }


def test_a_file_that_is_no_socket_is_called_that(
    command: PackDbCommand, daemon: DaemonProcess
) -> None:
    done = command.run("status", "--socket", str(daemon.database_path))
    assert done.returncode == 3
    assert done.stderr.startswith(f"pack-db: {daemon.database_path} is no socket; ")


def test_an_address_says_where_a_list_starts(command: PackDbCommand, db: PackDb) -> None:
    for name in "ab":
        db.accounts.create_account(CreateAccountInput(email=f"{name}@example.com"))
    listed = command.text("accounts", "list", "--after", "a@example.com")
    assert "b@example.com" in listed
    assert "a@example.com" not in listed


def test_ping_tells_the_version_and_the_time(command: PackDbCommand, db: PackDb) -> None:
    answer = command.json("ping", "--json")
    assert answer["version"] == db.ping()
    assert 0 < answer["round_trip_us"] < 60e6
    assert command.text("-V") == command.text("--version")
