import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput, UpdateAccountInput
from pack_db_client import Account, LedgerEntry, PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand
from tests.support.services import existing

FORMATS = ["jsonl", "csv"]


@pytest.fixture
def elsewhere(
    tmp_path_factory: pytest.TempPathFactory, short_path: Path
) -> Iterator[DaemonProcess]:
    """Another daemon, on an empty database."""
    directory = short_path / "elsewhere"
    directory.mkdir()
    daemon = DaemonProcess(directory, {"MAX_MESSAGE_BYTES": "16384"})  # 8 rows in a message
    daemon.start()
    yield daemon
    daemon.clean_up()


@pytest.fixture
def there(elsewhere: DaemonProcess) -> PackDbCommand:
    return PackDbCommand(elsewhere)


@pytest.fixture
def filled(db: PackDb) -> PackDb:
    """Accounts of all kinds, with every kind of entry."""
    for n in range(20):
        account = db.accounts.create_account(
            CreateAccountInput(email=f"ü{n}@example.com", plan_name="Pro", topup_remaining=n)
        )
        for amount in range(1, n):
            db.tokens.consume_tokens(account.id, amount)
        db.tokens.top_up(account.id, 10)
        db.tokens.renew_plan(account.id, 70)
        if n % 5 == 0:
            db.accounts.update_account(account.id, UpdateAccountInput(status=0))
    db.tokens.consume_tokens(account.id, 100, allow_overdraft=True)
    return db


def exported(command: PackDbCommand, what: str, form: str = "jsonl") -> str:
    return command.text("export", what, "--format", form)


def _pay_the_debt(db: PackDb) -> None:
    """Of the one account of `filled` that could not be opened with its balance."""
    last = db.accounts.list_accounts()[-1]
    db.tokens.top_up(last.id, 1000)


def summary(rows: int, imported: int = 0, there: int = 0, refused: int = 0) -> dict[str, Any]:
    return {
        "rows": rows,
        "imported": imported,
        "already_there": there,
        "refused": refused,
        "dry_run": False,
    }


def imported(command: PackDbCommand, rows: str, *options: str) -> Any:
    done = command.run("import", "accounts", "-", "--json", *options, stdin=rows)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def without_new_values(rows: list[Any]) -> list[dict[str, Any]]:
    new = ("id", "account_id", "api_key", "created_at", "updated_at")
    return [{key: row[key] for key in row if key not in new} for row in rows]


def parsed(rows: str) -> list[Any]:
    return [json.loads(line) for line in rows.splitlines()]


def test_an_export_has_all_there_is(command: PackDbCommand, filled: PackDb) -> None:
    accounts = filled.accounts.list_accounts()
    assert parsed(exported(command, "accounts")) == [
        {name: getattr(account, name) for name in Account.__slots__} for account in accounts
    ]
    entries = [
        {"email": account.email, "plan_name": "Pro"}
        | {name: getattr(entry, name) for name in LedgerEntry.__slots__}
        for account in accounts
        for entry in filled.tokens.list_entries(account.id, limit=500)
    ]
    assert parsed(exported(command, "ledger")) == entries


@pytest.mark.parametrize("what", ["accounts", "ledger"])
def test_csv_has_the_same_rows_as_json(command: PackDbCommand, filled: PackDb, what: str) -> None:
    table = list(csv.DictReader(io.StringIO(exported(command, what, "csv"))))
    assert table == [
        {key: str(value) for key, value in row.items()} for row in parsed(exported(command, what))
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_accounts_move_with_their_balance_and_move_once(
    command: PackDbCommand, filled: PackDb, there: PackDbCommand, form: str
) -> None:
    _pay_the_debt(filled)
    rows = exported(command, "accounts", form)
    assert imported(there, rows, "--format", form) == summary(20, imported=20)
    assert without_new_values(parsed(exported(there, "accounts"))) == without_new_values(
        parsed(exported(command, "accounts"))
    )
    assert imported(there, rows, "--format", form) == summary(20, there=20)


@pytest.mark.parametrize("rows_before", [1, 8, 9, 19])
def test_an_interrupted_import_is_finished_by_giving_it_again(
    command: PackDbCommand, filled: PackDb, there: PackDbCommand, rows_before: int
) -> None:
    _pay_the_debt(filled)
    lines = exported(command, "accounts").splitlines(keepends=True)
    imported(there, "".join(lines[:rows_before]))
    done = imported(there, "".join(lines))
    assert done == summary(len(lines), imported=len(lines) - rows_before, there=rows_before)


def test_an_account_that_an_interrupted_import_left_active_is_made_inactive(
    there: PackDbCommand, elsewhere: DaemonProcess
) -> None:
    with elsewhere.client() as db:
        opened = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        row = json.dumps({"email": "a@example.com", "token_remaining": 1000, "status": 0})
        assert imported(there, row) == summary(1, imported=1)
        assert existing(db.accounts.get_account(opened.id)).status == 0


def test_a_dry_run_says_the_same_and_changes_nothing(
    command: PackDbCommand, filled: PackDb, there: PackDbCommand
) -> None:
    _pay_the_debt(filled)
    rows = exported(command, "accounts")
    expected = summary(20, imported=20) | {"dry_run": True}
    assert imported(there, rows, "--dry-run") == expected
    assert exported(there, "accounts") == ""


def refusals(command: PackDbCommand, rows: str, *options: str) -> dict[int, str]:
    done = command.run("import", "accounts", "-", *options, stdin=rows)
    assert done.returncode == 1
    found = {}
    for line in done.stderr.splitlines():
        where, _, reason = line.partition(": ")
        found[int(where.removeprefix("line "))] = reason
    assert f"refused         {len(found)}" in done.stdout
    return found


def test_each_refused_account_is_named_by_line_and_reason_and_the_others_go_on(
    there: PackDbCommand,
) -> None:
    rows = [
        '{"email": "a@example.com"}',
        "no json",
        '{"email": "a@example.com", "plan_name": "Pro"}',
        "",
        '{"plan_name": "Pro"}',
        '{"email": "b@example.com", "plan_name": "Trial"}',
        '{"email": "nobody"}',
        '{"email": "c@example.com", "topup_remaining": -5}',
        '{"email": "d@example.com", "status": 9}',
        '{"email": "e@example.com"}',
    ]
    found = refusals(there, "\n".join(rows))
    assert list(found) == [2, 3, 5, 6, 7, 8, 9]
    assert "malformed" in found[2]
    assert found[3] == "another account has the e-mail address a@example.com"
    assert "email" in found[5]
    assert "allowance" in found[6]
    assert "name@example.com" in found[7]
    assert "topup_remaining" in found[8]
    assert "status" in found[9]
    emails = [row["email"] for row in parsed(exported(there, "accounts"))]
    assert emails == ["a@example.com", "e@example.com"]


def test_a_dry_run_refuses_what_is_no_address(there: PackDbCommand) -> None:
    found = refusals(there, '{"email": "nobody"}', "--dry-run")
    assert "name@example.com" in found[1]


def test_programs_get_a_refusal_as_json(there: PackDbCommand) -> None:
    done = there.run("import", "accounts", "-", "--json", stdin='{"email": "nobody"}')
    assert done.returncode == 1
    assert json.loads(done.stderr)["line"] == 1
    assert json.loads(done.stdout)["refused"] == 1


def test_a_row_of_csv_is_named_by_its_line(there: PackDbCommand, tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"
    path.write_text("email,plan_name\na@example.com,\nb@example.com,Pro,surplus\nnobody,Free\n")
    done = there.run("import", "accounts", str(path))
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "line 3: it has more cells than the first line"
    assert second.startswith("line 4: email must look like")
    assert [row["plan_name"] for row in parsed(exported(there, "accounts"))] == ["Free"]


@pytest.mark.parametrize("content", [b"email\n\xff\n", b'email\n"unclosed\n'])
def test_what_is_no_csv_is_wrong_usage(
    there: PackDbCommand, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "accounts.csv"
    path.write_bytes(content)
    done = there.run("import", "accounts", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
