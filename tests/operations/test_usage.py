from datetime import datetime, timedelta

import apsw
import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

TODAY = datetime.now().replace(hour=12)


@pytest.fixture
def ids(daemon: DaemonProcess, db: PackDb) -> list[str]:
    """Accounts a@, b@ and idle@; some of what they consumed was consumed yesterday."""
    ids = [
        db.accounts.create_account(CreateAccountInput(email=f"{name}@example.com")).id
        for name in ("a", "b", "idle")
    ]
    for account_id, amount in ((ids[0], 100), (ids[0], 20), (ids[1], 700)):
        db.tokens.consume_tokens(account_id, amount)
    db.tokens.top_up(ids[2], 5000)
    connection = apsw.Connection(str(daemon.database_path))
    try:
        for amount, day in ((-100, TODAY - timedelta(days=1)), (-20, TODAY), (-700, TODAY)):
            connection.execute(
                "UPDATE ledger_entries SET created_at = ? WHERE amount = ?",
                (int(day.timestamp()), amount),
            )
    finally:
        connection.close()
    return ids


def test_usage_is_summed_by_account_and_by_day(command: PackDbCommand, ids: list[str]) -> None:
    assert command.json("tokens", "usage", "--json") == {
        "tokens": 820,
        "by_account": [
            {"account_id": ids[1], "email": "b@example.com", "tokens": 700},
            {"account_id": ids[0], "email": "a@example.com", "tokens": 120},
        ],
        "by_day": [
            {"day": f"{TODAY - timedelta(days=1):%Y-%m-%d}", "tokens": 100},
            {"day": f"{TODAY:%Y-%m-%d}", "tokens": 720},
        ],
    }


def test_usage_of_one_account_since_a_day(command: PackDbCommand, ids: list[str]) -> None:
    since = f"{TODAY:%Y-%m-%d}"
    used = command.json("tokens", "usage", "a@example.com", "--since", since, "--json")
    assert used["tokens"] == 20
    assert used["by_day"] == [{"day": since, "tokens": 20}]


def test_the_largest_accounts_come_first(command: PackDbCommand, ids: list[str]) -> None:
    used = command.json("tokens", "usage", "--top", "1", "--json")
    assert [row["email"] for row in used["by_account"]] == ["b@example.com"]
    assert used["tokens"] == 820


def test_people_get_bars_as_long_as_the_usage(command: PackDbCommand, ids: list[str]) -> None:
    lines = command.text("tokens", "usage").splitlines()
    bars = {line.split()[1]: line.count("█") for line in lines if "example.com" in line}
    assert bars == {"b@example.com": 40, "a@example.com": 40 * 120 // 700}


def test_where_nothing_was_consumed_there_is_nothing_to_draw(
    command: PackDbCommand, db: PackDb
) -> None:
    assert command.text("tokens", "usage").split() == ["tokens", "0"]
    done = command.run("tokens", "usage", "nobody@example.com")
    assert (done.returncode, done.stdout) == (1, "")
