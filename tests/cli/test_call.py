import json
import signal

import pytest

import pack_db
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand


@pytest.fixture
def command(daemon: DaemonProcess) -> PackDbCommand:
    return PackDbCommand(daemon)


def test_arguments_can_be_pairs_an_object_or_an_array(command: PackDbCommand) -> None:
    created = command.json(
        "call",
        "accounts.create_account",
        'account={"email": "a@example.com", "token_remaining": 100}',
    )
    account_id = created["id"]
    taken = command.json(
        "call",
        "tokens.consume_tokens",
        f"account_id={account_id}",
        "amount=3",
        "allow_overdraft=true",
    )
    assert taken["token_remaining"] == 97
    assert command.json("call", "tokens.get_balance", f'["{account_id}"]') == taken
    assert command.json("call", "tokens.get_balance", f'{{"account_id": "{account_id}"}}') == taken
    found = command.json("call", "accounts.get_account_by_email", "email=a@example.com")
    assert found["id"] == account_id


def test_every_service_and_kind_of_result_is_there(command: PackDbCommand, db: PackDb) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    assert command.json("call", "daemon.ping") == pack_db.__version__
    assert [a["id"] for a in command.json("call", "accounts.list_accounts")] == [account.id]
    assert command.json("call", "accounts.delete_account", f"account_id={account.id}") is None


def test_a_secret_can_come_from_stdin(command: PackDbCommand, db: PackDb) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    done = command.run("call", "accounts.authenticate", "-", stdin=json.dumps([account.api_key]))
    assert done.returncode == 0
    assert json.loads(done.stdout)["id"] == account.id


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["accounts.get_acount"], "did you mean accounts.get_account, "),
        (["top_up"], "did you mean tokens.top_up?"),
        (["accounts.__init__"], "there is no method 'accounts.__init__'"),
        (["accounts.get_account", '{"account_id": '], "not valid JSON"),
        (["accounts.get_account", "nonsense"], "neither KEY=VALUE nor a JSON object or array"),
        (["accounts.get_account", "-"], "the JSON must be an object or an array"),
        (["accounts.get_account", "account_id=1", "account_id=2"], "account_id is given twice"),
    ],
)
def test_a_call_that_cannot_be_read_is_exit_code_2(
    command: PackDbCommand, arguments: list[str], says: str
) -> None:
    done = command.run("call", *arguments, stdin="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["accounts.get_account"],
        ["accounts.get_account", "id=1"],
        ["accounts.get_account", "account_id=1"],
        ["accounts.get_account", '["1", "2"]'],
        ["accounts.create_account", "account={}"],
        ["tokens.top_up", "account_id=x", "amount=99999999999999999999"],
        [
            "accounts.get_account_by_email",
            b"email=\xff@example.com".decode(errors="surrogateescape"),
        ],
    ],
)
def test_arguments_that_break_a_rule_are_refused_as_by_the_service(
    command: PackDbCommand, arguments: list[str]
) -> None:
    done = command.run("call", *arguments, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["error"]["code"] == "invalid_input"


def test_a_read_that_nobody_answers_is_exit_code_4(
    command: PackDbCommand, daemon: DaemonProcess
) -> None:
    daemon.send_signal(signal.SIGSTOP)
    done = command.run("call", "daemon.ping", "--timeout", "0.2", "--json")
    assert done.returncode == 4
    assert json.loads(done.stderr)["error"]["code"] == "call_timeout"


def test_a_write_that_nobody_took_is_exit_code_4_and_not_done_later(
    command: PackDbCommand, daemon: DaemonProcess, db: PackDb
) -> None:
    daemon.send_signal(signal.SIGSTOP)
    done = command.run("accounts", "create", "a@example.com", "--timeout", "0.2")
    daemon.send_signal(signal.SIGCONT)
    assert done.returncode == 4
    assert "nothing was sent" in done.stderr
    assert db.accounts.list_accounts() == []
