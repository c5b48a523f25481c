import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pack_db import CreateAccountInput
from tests.own_services.conftest import PackDbCommand
from tests.own_services.installation import ROOT, install, run
from tests.support.daemon_process import DaemonProcess
from tests.wire.raw_client import RawClient, request

EXAMPLE = ROOT / "examples" / "notes"
# What a program of somebody who uses the notes looks like.
PROGRAM = """
import asyncio

from notes.interface import AsyncNoteRepo, Note, NoteNotFound, NoteRepo
from pack_db_client import AccountNotFound, AsyncPackDb, CreateAccountInput, PackDb


def with_threads() -> str:
    with PackDb() as db:
        account = db.accounts.create_account(CreateAccountInput(email="ada@example.com"))
        notes = db.service("notes", NoteRepo)
        note: Note = notes.add(account.id, "buy tokens")
        print(notes.list_notes(account.id) == [note])
        with db.batch() as batch:
            added = [batch.submit(notes.add, account.id, text) for text in ("one", "two")]
        print([result.result().text for result in added])
        notes.remove(note.id)
        try:
            notes.remove(note.id)
        except NoteNotFound as error:
            print(f"{type(error).__name__}: {error}")
        try:
            notes.add("nobody", "text")
        except AccountNotFound as error:
            print(f"{type(error).__name__}: {error}")
        return account.id


async def with_asyncio(account_id: str) -> None:
    async with AsyncPackDb() as db:
        notes = db.service("notes", AsyncNoteRepo)
        await asyncio.gather(*(notes.add(account_id, str(n)) for n in range(10)))
        found: list[Note] = await notes.list_notes(account_id)
        print(len(found))


asyncio.run(with_asyncio(with_threads()))
"""


@pytest.fixture
def account_id(raw: RawClient, request: pytest.FixtureRequest) -> str:
    ok, account = raw.call("accounts.create_account", [{"email": f"{request.node.name}@x.org"}])
    assert ok == 0
    return str(account["id"])


@pytest.fixture
def texts(raw: RawClient, account_id: str) -> Callable[[], list[str]]:
    """The notes that are there."""

    def read() -> list[str]:
        ok, notes = raw.call("notes.list_notes", [account_id])
        assert ok == 0
        return [note["text"] for note in notes]

    return read


def test_it_imports_pack_db_from_its_public_places_only() -> None:
    source = "".join(path.read_text() for path in EXAMPLE.rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:from|import) (pack_db\S*)", source, re.MULTILINE))
    assert imported == {"pack_db", "pack_db_client"}


def test_what_is_written_by_hand_takes_at_most_80_lines() -> None:
    written = [
        re.sub(r"(?ms)^class Async.*", "", path.read_text()).strip().splitlines()
        for path in (EXAMPLE / "notes").rglob("*.py")
    ]
    assert 40 < sum(map(len, written)) <= 80


def test_its_asyncio_twin_is_current(pack_db: PackDbCommand) -> None:
    done = pack_db("stubs", "notes", "--check")
    assert (done.returncode, "AsyncNoteRepo  current" in done.stdout) == (0, True)


def test_copied_whole_and_renamed_it_is_a_package_of_ones_own(short_path: Path) -> None:
    copy = short_path / "todos"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "notes").rename(copy / "todos")
    (copy / "tests" / "test_notes.py").rename(copy / "tests" / "test_todos.py")
    for path in [copy / "pyproject.toml", *copy.rglob("*.py")]:
        path.write_text(path.read_text().replace("note", "todo").replace("Note", "Todo"))

    python = install(short_path / "environment", copy)
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=copy, HOME=str(short_path))
    settings = {"SERVICE_FACTORY": "todos.factory:TodosFactory"}
    command = [str(python), "-m", "pack_db_daemon"]
    daemon = DaemonProcess(short_path, settings, [*command, "serve"])
    try:
        daemon.start()
        with daemon.client() as db:
            account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        added = ["call", "todos.add", f"account_id={account.id}", "text=water the plants"]
        answer = json.loads(run(*command, *added, cwd=copy, **daemon.environment))
        assert (answer["id"], answer["text"]) == (1, "water the plants")
    finally:
        daemon.clean_up()


def test_a_program_calls_the_notes_through_both_clients(
    python: Path, notes_daemon: DaemonProcess
) -> None:
    environment = notes_daemon.environment
    printed = run(python, "-c", PROGRAM, cwd=notes_daemon.directory, **environment)
    assert printed.splitlines() == [
        "True",
        "['one', 'two']",
        "NoteNotFound: no note has the id 1",
        "AccountNotFound: no account has the id nobody",
        "12",
    ]


def test_it_and_its_callers_are_clean_under_mypy_strict(python: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    mypy = [python, "-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache"]
    assert "no issues" in run(*mypy, "-p", "notes", cwd=tmp_path)
    assert "no issues" in run(*mypy, program, cwd=tmp_path)


def test_a_retried_note_is_added_once(
    raw: RawClient, account_id: str, texts: Callable[[], list[str]]
) -> None:
    message = request(["notes.add", [account_id, "once"]])
    assert raw.exchange(message).data == raw.exchange(message).data
    assert texts() == ["once"]


def test_a_note_that_fails_in_a_batch_undoes_itself_alone(
    raw: RawClient, account_id: str, texts: Callable[[], list[str]]
) -> None:
    calls = [[account_id, "first"], ["nobody", "lost"], [account_id, "last"]]
    results = raw.batch(*(["notes.add", call] for call in calls))
    assert [result[0] for result in results] == [0, "account_not_found", 0]
    assert texts() == ["first", "last"]


def test_a_late_note_is_not_added(
    raw: RawClient, account_id: str, texts: Callable[[], list[str]]
) -> None:
    [[code, *_]] = raw.exchange(request(["notes.add", [account_id, "late"]], deadline_ns=1)).results
    assert code == "deadline_passed"
    assert texts() == []


@pytest.mark.parametrize(
    "arguments", [["x"], ["x", 1], ["x", "y", "z"], {"text": "y"}, ["x", None]]
)
def test_arguments_are_checked_against_the_hints(raw: RawClient, arguments: Any) -> None:
    code, message, _ = raw.call("notes.add", arguments)
    assert (code, message.startswith("notes.add: ")) == ("invalid_input", True)


def test_notes_go_with_their_account(raw: RawClient, account_id: str) -> None:
    _, note = raw.call("notes.add", [account_id, "mine"])
    assert raw.call("accounts.delete_account", [account_id]) == [0, None]
    assert raw.call("notes.remove", [note["id"]])[0] == "note_not_found"


def test_the_command_line_calls_and_lists_them(pack_db: PackDbCommand, account_id: str) -> None:
    done = pack_db("call", "notes.add", f"account_id={account_id}", "text=hello")
    assert json.loads(done.stdout)["text"] == "hello", done.stderr
    assert "notes.list_notes(account_id, after=0)" in pack_db("call", "--help").stdout
    assert "did you mean notes.add" in pack_db("call", "notes.ad").stderr


def test_without_the_setting_the_command_line_knows_no_notes(pack_db: PackDbCommand) -> None:
    done = pack_db("call", "notes.remove", "note_id=1", SERVICE_FACTORY="")
    assert (done.returncode, "no method" in done.stderr) == (2, True)


def test_its_migrations_are_shown_and_applied_after_those_of_pack_db(
    pack_db: PackDbCommand, notes_daemon: DaemonProcess, tmp_path: Path
) -> None:
    shown = json.loads(pack_db("migrate", "status", "--json").stdout)
    assert shown[-1] == {"name": "notes/0001_tables", "state": "applied"}

    elsewhere = str(tmp_path / "pack.db")
    without = json.loads(
        pack_db("migrate", "up", "--json", DB_PATH=elsewhere, DB_URL="", SERVICE_FACTORY="").stdout
    )
    assert [m["name"] for m in without] == [m["name"] for m in shown[:-1]]
    pending = json.loads(
        pack_db("migrate", "status", "--json", DB_PATH=elsewhere, DB_URL="").stdout
    )
    assert pending[-1] == {"name": "notes/0001_tables", "state": "pending"}
    later = json.loads(pack_db("migrate", "up", "--json", DB_PATH=elsewhere, DB_URL="").stdout)
    assert later == [shown[-1]]


def test_in_process_the_factory_gives_the_repository_without_a_daemon(
    python: Path, tmp_path: Path
) -> None:
    program = """
from notes.factory import NotesFactory
from pack_db import CreateAccountInput

factory = NotesFactory.get_instance()
factory.get_database_connection().run_migrations()
account = factory.get_account_repo().create_account(CreateAccountInput(email="a@example.com"))
notes = factory.get_services()["notes"]
notes.add(account.id, "here")
print([note.text for note in notes.list_notes(account.id)])
NotesFactory.reset()
"""
    printed = run(python, "-c", program, cwd=tmp_path, DB_PATH=str(tmp_path / "pack.db"))
    assert printed == "['here']\n"
