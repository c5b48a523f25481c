"""The fixtures for other people's tests, in suites of other people."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from pack_db import Config, ServiceFactory
from pack_db_testing.reset_factory import DatabaseReset
from tests.support.daemon_process import PATIENCE_S

EXAMPLES = Path(__file__).parents[2] / "examples"

Suite = Callable[..., str]

NOTES = """
    import pytest
    from notes.interface import NoteRepo

    @pytest.fixture(scope="session")
    def pack_db_service_factory():
        return "notes.factory:NotesFactory"
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Runs a suite of one file; what pytest printed."""

    def run(text: str, *options: str, passes: int, **settings: str) -> str:
        (tmp_path / "test_it.py").write_text(dedent(text))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *options],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(EXAMPLES / "notes"), **settings},
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE_S,
        )
        assert f" {passes} passed" in done.stdout or not passes, done.stdout + done.stderr
        assert done.returncode == (0 if passes else 1), done.stdout + done.stderr
        return done.stdout

    return run


CLEAN = """
    import pytest
    from pack_db_client import CreateAccountInput, PackDb

    @pytest.mark.parametrize("number", range(12))
    def test_there_is_nothing_of_the_other_tests(pack_db, number):
        assert pack_db.accounts.list_accounts() == []
        account = pack_db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        pack_db.tokens.consume_tokens(account.id, 1)
        assert len(pack_db.tokens.list_entries(account.id)) == 2
        with PackDb() as of_the_application:
            assert of_the_application.accounts.get_account(account.id) is not None

    def test_without_a_daemon(pack_db_in_process):
        assert pack_db_in_process.accounts.list_accounts() == []
        pack_db_in_process.accounts.create_account(CreateAccountInput(email="a@example.com"))
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["one process", "xdist"])
def test_each_test_has_a_clean_database(suite: Suite, options: list[str]) -> None:
    suite(CLEAN, *options, passes=13)


def test_the_settings_of_the_application_do_not_matter(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DB_URL=postgresql://nowhere/x\nALLOWED_UIDS=1\n")
    suite(CLEAN, passes=13, LOG_LEVEL="loud", ZMQ_SOCKET_PATH="/nowhere/s", WORKERS="many")


def test_services_of_the_application_are_there(suite: Suite) -> None:
    body = """
    @pytest.mark.parametrize("number", range(2))
    @pytest.mark.parametrize("how", ["pack_db", "pack_db_in_process"])
    def test_notes(request, how, number):
        from pack_db import CreateAccountInput
        db = request.getfixturevalue(how)
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        notes = db.service("notes", NoteRepo)
        assert notes.add(account.id, "text").id == 1
        assert len(notes.list_notes(account.id)) == 1
    """
    suite(NOTES + body, passes=4)


def test_the_environment_names_them_as_well(suite: Suite) -> None:
    body = """
    def test_notes(pack_db):
        from notes.interface import NoteRepo
        assert pack_db.service("notes", NoteRepo).list_notes("nobody") == []
    """
    suite(body, passes=1, SERVICE_FACTORY="notes.factory:NotesFactory")


def test_a_daemon_that_a_test_has_ended_is_started_again(suite: Suite) -> None:
    body = """
    import pytest
    from pack_db_client import NoDaemon

    @pytest.mark.parametrize("number", range(2))
    def test_the_application_says_that_it_is_away(pack_db, pack_db_daemon, number):
        assert pack_db.ping()
        pack_db_daemon.stop()
        with pytest.raises(NoDaemon):
            pack_db.with_timeout(0.1).ping()
        pack_db_daemon.start()
        assert pack_db.ping()
        if number == 0:
            pack_db_daemon.stop()
    """
    suite(body, passes=2)


def test_a_daemon_that_does_not_start_says_why(suite: Suite) -> None:
    body = """
    def test_it(pack_db):
        pass
    """
    shown = suite(body, passes=0, SERVICE_FACTORY="nowhere.factory:Factory")
    assert "the daemon of the tests does not start" in shown
    assert "nowhere.factory:Factory" in shown


def test_it_costs_nothing_until_it_is_used() -> None:
    loaded = "import sys, pack_db_testing.plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True)
    assert not {"pack_db", "zmq", "msgspec", "peewee", "apsw"} & set(done.stdout.split())


def test_what_migrations_have_put_there_is_kept(tmp_path: Path) -> None:
    factory = ServiceFactory(Config({"DB_PATH": str(tmp_path / "pack.db")}))
    database = factory.get_database_connection()
    database.run_migrations()
    for statement in (
        "CREATE TABLE kinds (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, "
        "shown TEXT GENERATED ALWAYS AS (upper(name)) STORED)",
        "CREATE TABLE things (kind_id INTEGER REFERENCES kinds (id))",
        "CREATE TABLE gone (id INTEGER)",
        "CREATE TRIGGER note AFTER DELETE ON things BEGIN INSERT INTO gone VALUES (1); END",
        "CREATE VIRTUAL TABLE found USING fts5(word)",
        "INSERT INTO kinds (name) VALUES ('one'), ('two')",
        "INSERT INTO found VALUES ('word')",
    ):
        database.execute(statement)
    tables = ("kinds", "things", "gone", "found", "sqlite_sequence", "accounts")

    def rows() -> list[object]:
        return [database.execute(f"SELECT * FROM {table}") for table in tables]

    before = rows()
    reset = DatabaseReset(database)
    for statement in (
        "INSERT INTO kinds (name) VALUES ('three')",
        "INSERT INTO things VALUES (1), (3)",
        "DELETE FROM things WHERE kind_id = 1",
        "INSERT INTO found VALUES ('other')",
    ):
        database.execute(statement)
    assert rows() != before
    reset.reset()
    assert rows() == before
    assert not database.applied_and_pending()[1]
    factory.close()
