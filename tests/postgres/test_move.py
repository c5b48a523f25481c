"""`pack-db move` between a real SQLite database, written by a daemon, and a real PostgreSQL."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest

from pack_db_client import CreateAccountInput, PackDb
from tests.cli.test_terminal import Terminal
from tests.exactly_once.raw_client import raw_client
from tests.postgres.marks import Mark, MarkRepo
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.pack_db_command import PACK_DB, PackDbCommand

ROOT = Path(__file__).parents[2]
MARKS = {"SERVICE_FACTORY": "tests.postgres.marks:MarksFactory", "PYTHONPATH": str(ROOT)}
TABLES = ("accounts", "ledger_entries", "marks", "reply_journal")
MINUTE_NS = 60 * 10**9
BARRIER = 1  # an advisory lock in the target


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def source(short_path: Path, url: str) -> Iterator[DaemonProcess]:
    """A daemon on SQLite, with a service of somebody's own."""
    daemon = DaemonProcess(short_path, MARKS)
    daemon.start()
    yield daemon
    daemon.clean_up()


@pytest.fixture
def keys(source: DaemonProcess) -> list[str]:
    """API keys of accounts with a history."""
    with source.client() as db:
        marks = db.service("marks", MarkRepo)
        keys = []
        for number, email in enumerate(("ada@example.com", "Zoë@example.com", "o'b%s\\@x.org")):
            account = db.accounts.create_account(CreateAccountInput(email=email))
            db.tokens.top_up(account.id, 5 + number)
            db.tokens.consume_tokens(account.id, 1001)
            marks.add(Mark(account.id, "a\tb\n\\N", 0.1, True, b"\0\\\xff"))
            marks.add(Mark(account.id, None, -1e300, False, b""))
            keys.append(account.api_key)
        return keys


@pytest.fixture
def move(source: DaemonProcess, url: str) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    command = PackDbCommand(source)

    def run(*options: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        return command.run("move", *options, **({"DB_URL": url} | settings))

    return run


Move = Callable[..., "subprocess.CompletedProcess[str]"]


def answers(db: PackDb, keys: list[str]) -> Any:
    accounts = db.accounts.list_accounts()
    return (
        accounts,
        [db.tokens.list_entries(account.id) for account in accounts],
        [db.accounts.authenticate(key) for key in keys],
        db.service("marks", MarkRepo).list_marks(),
    )


@contextmanager
def moved_daemon(source: DaemonProcess, url: str) -> Iterator[PackDb]:
    """A client of the daemon as it is after the move."""
    source.environment["DB_URL"] = url
    source.start()
    with source.client() as db:
        yield db


def in_target(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def in_source(daemon: DaemonProcess, statement: str) -> None:
    with closing(apsw.Connection(str(daemon.database_path))) as connection:
        connection.execute(statement)


def everything_in_target(url: str) -> list[Any]:
    return [in_target(url, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES]


def migrate(source: DaemonProcess, url: str) -> None:
    done = PackDbCommand(source).run("migrate", "up", DB_URL=url)
    assert done.returncode == 0, done.stderr


def before_each_row(url: str, table: str, action: str) -> None:
    in_target(
        url,
        f"""
        CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action} END $$;
        CREATE TRIGGER meddling BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION meddle()
        """,
    )


def test_all_services_give_the_same_answers_afterwards(
    source: DaemonProcess, url: str, keys: list[str], move: Move
) -> None:
    with source.client() as db:
        before = answers(db, keys)
    source.stop()
    done = move()
    assert (done.returncode, done.stderr) == (0, "")
    assert f"All of {source.database_path} is in postgresql://" in done.stdout
    with moved_daemon(source, url) as db:
        assert answers(db, keys) == before
        account = db.accounts.create_account(CreateAccountInput(email="new@example.com"))
        mark = Mark(account.id, "new", 1.0, True, b"")
        assert db.service("marks", MarkRepo).add(mark) == len(before[-1]) + 1


def test_it_shows_what_it_proved(source: DaemonProcess, keys: list[str], move: Move) -> None:
    source.stop()
    proofs = {proof["table"]: proof for proof in json.loads(move("--json").stdout)}
    assert {name: proof["rows"] for name, proof in proofs.items()} == {
        "accounts": 3,
        "deleted_accounts": 0,
        "ledger_entries": 9,
        "marks": 6,
        "reply_journal": 1,
        "ledger sums": 3,
    }
    assert {proof["result"] for proof in proofs.values()} == {"same"}
    assert len({proof["checksum"] for proof in proofs.values()}) == 6
    assert len(proofs["accounts"]["checksum"]) == 64
    assert proofs["ledger sums"]["checksum"] == "15"


def test_a_write_that_is_sent_again_across_the_move_is_answered_once(
    source: DaemonProcess, url: str, keys: list[str], move: Move
) -> None:
    with source.client() as db:
        account_id = db.accounts.authenticate(keys[0]).id
    with raw_client(source.socket_path) as raw:
        message = raw.request(
            1,
            ("tokens.top_up", [account_id, 100]),
            deadline_ns=time.monotonic_ns() + MINUTE_NS,
        )
        reply = raw.reply(message)
    source.stop()
    assert move().returncode == 0
    # By the clock of the engine, it is kept for the time that was left.
    [(least, most)] = in_target(
        url,
        """SELECT MIN(left_ns), MAX(left_ns) FROM (
            SELECT expires_ns - EXTRACT(EPOCH FROM clock_timestamp()) * 1000000000 AS left_ns
            FROM reply_journal
        ) AS journal""",
    )
    assert 0 < least <= most <= MINUTE_NS
    with moved_daemon(source, url) as db:
        before = db.tokens.list_entries(account_id)
        with raw_client(source.socket_path) as raw:
            assert raw.reply(message) == reply
        assert db.tokens.list_entries(account_id) == before


def test_replies_that_nobody_can_ask_for_any_more_stay_behind(
    source: DaemonProcess, url: str, move: Move
) -> None:
    for number in range(3):
        with source.client() as db:
            db.accounts.create_account(CreateAccountInput(email=f"{number}@example.com"))
    source.stop()
    some = "client = (SELECT {}(client) FROM reply_journal)"
    in_source(source, f"UPDATE reply_journal SET boot_id = 'before' WHERE {some.format('MIN')}")
    in_source(source, f"UPDATE reply_journal SET expires_ns = 1 WHERE {some.format('MAX')}")
    assert move().returncode == 0
    assert in_target(url, "SELECT COUNT(*) FROM reply_journal") == [(1,)]


def test_a_rehearsal_beside_a_writing_daemon_can_be_replaced_by_the_move(
    source: DaemonProcess, url: str, keys: list[str], move: Move
) -> None:
    is_over = threading.Event()

    def write() -> None:
        with source.client() as db:
            account = db.accounts.authenticate(keys[0])
            while not is_over.is_set():
                db.tokens.top_up(account.id, 1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        rehearsal = move("--rehearse")
    finally:
        is_over.set()
        writer.join()
    assert (rehearsal.returncode, rehearsal.stderr) == (0, "")
    assert f"written to {source.database_path} from now on is not in" in rehearsal.stdout

    with source.client() as db:
        before = answers(db, keys)
    source.stop()
    refused = move()
    assert refused.returncode == 5
    assert "has rows already: 3 in accounts, " in refused.stderr
    assert move("--replace", "--yes").returncode == 0
    with moved_daemon(source, url) as db:
        assert answers(db, keys) == before


@pytest.mark.parametrize(("answer", "status", "left"), [("y", 0, 3), ("n", 1, 2)])
def test_replace_asks_first(
    source: DaemonProcess,
    url: str,
    keys: list[str],
    move: Move,
    answer: str,
    status: int,
    left: int,
) -> None:
    source.stop()
    assert move().returncode == 0
    in_target(url, "DELETE FROM accounts WHERE email = 'ada@example.com'")
    source.environment["DB_URL"] = url
    terminal = Terminal(source)
    with closing(terminal), terminal.running("move", "--replace") as process:
        terminal.read_until("Delete all rows that pack-db has in postgresql://")
        terminal.type(f"{answer}\n")
        if status == 0:
            terminal.read_until("Start the daemon with DB_URL")
        assert process.wait(PATIENCE_S) == status
    assert in_target(url, "SELECT COUNT(*) FROM accounts") == [(left,)]


def test_it_says_in_a_line_why_it_does_not_begin(
    source: DaemonProcess, url: str, keys: list[str], move: Move, tmp_path: Path
) -> None:
    def reason(*options: str, status: int = 5, **settings: str) -> str:
        done = move(*options, **settings)
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith("pack-db: ") or status == 2
        assert status == 2 or done.stderr.count("\n") == 1
        return done.stderr

    assert "DB_URL is not set" in reason(DB_URL="")
    assert "say --yes" in reason("--replace", status=2)
    assert f"in use by process {source.pid}" in reason()
    source.stop()
    assert "there is no database at" in reason(DB_PATH=str(tmp_path / "none.db"))
    foreign = tmp_path / "foreign.db"
    with closing(apsw.Connection(str(foreign))) as connection:
        connection.execute("CREATE TABLE t(x)")
    assert "another program's SQLite database" in reason(DB_PATH=str(foreign))
    older = str(tmp_path / "older.db")
    command = PackDbCommand(source)
    assert command.run("migrate", "up", DB_PATH=older, SERVICE_FACTORY="").returncode == 0
    assert "lacks marks/0001_marks" in reason(DB_PATH=older)
    assert "has no table marks; does SERVICE_FACTORY" in reason(SERVICE_FACTORY="")
    with psycopg.connect(f"{url}?application_name=pack-db"):
        assert "is connected to postgresql://" in reason()
    assert in_target(url, "SELECT COUNT(*) FROM accounts") == [(0,)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("ALTER TABLE marks DROP COLUMN weight", "has the column weight only in the source"),
        ("ALTER TABLE marks ADD COLUMN more TEXT", "has the column more only in the target"),
        ("ALTER TABLE marks ALTER COLUMN text TYPE CHAR(9)", "column text of the table marks is a"),
        ("ALTER TABLE accounts ADD CHECK (status = 0)", "does not take a row (COPY accounts, line"),
    ],
)
def test_a_target_that_differs_is_refused(
    source: DaemonProcess, url: str, keys: list[str], move: Move, change: str, why: str
) -> None:
    source.stop()
    migrate(source, url)
    in_target(url, change)
    done = move()
    assert done.returncode == 5
    assert why in done.stderr
    assert done.stderr.count("\n") == 1
    assert "ada@example.com" not in done.stderr


def test_a_text_that_postgresql_cannot_hold_is_refused(
    source: DaemonProcess, url: str, keys: list[str], move: Move
) -> None:
    source.stop()
    in_source(source, "UPDATE marks SET text = char(0) WHERE id = 2")
    done = move()
    assert done.returncode == 5
    assert "does not take a row (table marks): PostgreSQL text fields cannot contain NUL" in (
        done.stderr
    )


@pytest.mark.parametrize(
    ("table", "action", "why"),
    [
        ("accounts", "NEW.plan_name = 'Gold'; RETURN NEW;", "3 rows came of 3"),
        ("ledger_entries", "NEW.amount = NEW.amount + 1; RETURN NEW;", "9 rows came of 9"),
        ("marks", "IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW;", "5 rows came of 6"),
        ("marks", "NEW.is_open = NOT NEW.is_open; RETURN NEW;", "6 rows came of 6"),
        ("marks", "NEW.picture = NEW.picture || '\\x00'; RETURN NEW;", "6 rows came of 6"),
        ("reply_journal", "NEW.sequence = 0; RETURN NEW;", "1 rows came of 1"),
    ],
)
def test_a_row_that_arrives_as_another_is_noticed(
    source: DaemonProcess,
    url: str,
    keys: list[str],
    move: Move,
    table: str,
    action: str,
    why: str,
) -> None:
    source.stop()
    migrate(source, url)
    before_each_row(url, table, action)
    done = move()
    assert (done.returncode, done.stdout) == (5, "")
    assert f"{table} is not the same in postgresql://" in done.stderr
    assert why in done.stderr
    assert not any(everything_in_target(url))


def test_a_ledger_that_does_not_add_up_is_noticed(
    source: DaemonProcess, url: str, keys: list[str], move: Move
) -> None:
    source.stop()
    in_source(source, "UPDATE accounts SET topup_remaining = 77 WHERE email = 'ada@example.com'")
    done = move()
    assert done.returncode == 5
    assert "its entries do not add up to its balance" in done.stderr
    assert not any(everything_in_target(url))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("table", ["accounts", "reply_journal"])
def test_one_that_is_ended_in_the_middle_leaves_the_target_as_it_was(
    source: DaemonProcess, url: str, keys: list[str], move: Move, number: signal.Signals, table: str
) -> None:
    assert move("--rehearse").returncode == 0
    with source.client() as db:
        db.accounts.create_account(CreateAccountInput(email="later@example.com"))
    source.stop()
    before = everything_in_target(url)
    before_each_row(url, table, f"PERFORM pg_advisory_xact_lock({BARRIER}); RETURN NEW;")
    with psycopg.connect(url, autocommit=True) as barrier:
        barrier.execute("SELECT pg_advisory_lock(%s)", [BARRIER])
        with subprocess.Popen(
            [*PACK_DB, "move", "--replace", "--yes"],
            env=source.environment | {"DB_URL": url},
            cwd=source.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            give_up = time.monotonic() + PATIENCE_S
            while not barrier.execute(waiting).fetchall():
                assert process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.005)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    assert (stdout, b"Traceback" in stderr) == (b"", False)
    assert everything_in_target(url) == before

    in_target(url, f"DROP TRIGGER meddling ON {table}")
    assert move("--replace", "--yes").returncode == 0
    with moved_daemon(source, url) as db:
        assert len(db.accounts.list_accounts()) == 4
        account = db.accounts.list_accounts()[0]
        assert db.service("marks", MarkRepo).add(Mark(account.id, "", 0.0, True, b"")) == 7
