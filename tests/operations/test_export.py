import json

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.pack_db_command import PackDbCommand
from tests.support.running_daemon import running_daemon

NAMES = ["zoë", "zoé", "日本"]


@pytest.fixture(autouse=True)
def filled(db: PackDb) -> PackDb:
    """Three accounts that nobody can write in ASCII, with two entries each."""
    for name in NAMES:
        account = db.accounts.create_account(CreateAccountInput(email=f"{name}@bücher.de"))
        db.tokens.consume_tokens(account.id, 1)
    return db


def test_the_whole_ledger_is_read_in_one_pass(command: PackDbCommand, filled: PackDb) -> None:
    assert len(command.text("export", "ledger").splitlines()) == 6
    assert command.json("tokens", "usage", "--json")["tokens"] == 3
    calls = {method.method: method.calls for method in filled.status().methods}
    # A page of 500 for each of the two; the ledger has fewer.
    assert calls["tokens.list_ledger"] == calls["accounts.list_accounts"] == 2
    assert "tokens.list_entries" not in calls


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("what", ["accounts", "ledger"])
@pytest.mark.parametrize(
    "settings",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
    ],
)
def test_an_export_is_utf_8_whatever_the_terminal_is(
    command: PackDbCommand, what: str, form: str, settings: dict[str, str]
) -> None:
    done = command.run("export", what, "--format", form, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == command.text("export", what, "--format", form)
    for name in NAMES:
        assert f"{name}@bücher.de" in done.stdout


def test_pages_are_as_small_as_messages_have_to_be() -> None:
    with running_daemon({"MAX_MESSAGE_BYTES": "4096"}) as daemon:
        with daemon.client() as db:
            for n in range(50):
                db.accounts.create_account(CreateAccountInput(email=f"{n}@example.com"))
        rows = PackDbCommand(daemon).text("export", "ledger").splitlines()
    emails = [json.loads(row)["email"] for row in rows]
    assert emails == [f"{n}@example.com" for n in range(50)]
