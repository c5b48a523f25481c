import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PACK_DB
from tests.wire.raw_client import RawClient

Start = Callable[..., DaemonProcess]


@pytest.fixture
def start(short_path: Path) -> Iterator[Start]:
    """Start a daemon with these settings; each is ended after the test."""
    started = []

    def start_with(*, wait: bool = True, **settings: str) -> DaemonProcess:
        daemon = DaemonProcess(short_path, settings)
        started.append(daemon)
        daemon.start(wait=wait)
        return daemon

    yield start_with
    for daemon in started:
        daemon.clean_up()


def refused(daemon: DaemonProcess) -> str:
    """The one line, below what it logged, with which a daemon ended that could not start."""
    assert daemon.wait() == 5
    [line] = [line for line in daemon.log.splitlines() if " INFO " not in line]
    assert line.startswith("pack-db: ")
    return line


def test_a_wrong_setting_is_one_line(start: Start) -> None:
    assert "DB_SYNCHRONOUS: must be one of" in refused(start(wait=False, DB_SYNCHRONOUS="OFF"))


def test_a_foreign_database_is_one_line(start: Start, short_path: Path) -> None:
    (short_path / "pack.db").touch()
    assert "pack.db is empty, not a pack-db database" in refused(start(wait=False))


def test_an_occupied_database_is_one_line_that_names_the_holder(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    second = DaemonProcess(tmp_path, {"DB_PATH": str(daemon.database_path)})
    second.start(wait=False)
    assert f"is in use by process {daemon.pid}" in refused(second)


def test_an_occupied_socket_is_one_line(daemon: DaemonProcess, tmp_path: Path) -> None:
    second = DaemonProcess(tmp_path, {"ZMQ_SOCKET_PATH": str(daemon.socket_path)})
    second.start(wait=False)
    assert f"listens at {daemon.socket_path}; stop it" in refused(second)


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "nowhere"}])
def test_without_a_home_it_says_which_setting_to_give(
    short_path: Path, home: dict[str, str]
) -> None:
    # A user who is in no list of users, as in a container.
    around = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    if subprocess.run([*around, "true"]).returncode:
        pytest.skip("new user namespaces are not permitted")
    daemon = DaemonProcess(short_path, {"DB_PATH": "", **home}, [*around, *PACK_DB, "serve"])
    daemon.start(wait=False)
    line = refused(daemon)
    assert "DB_PATH: there is no home directory" in line
    assert "set DB_PATH" in line
    assert [path.name for path in short_path.iterdir()] == ["log"]  # and made nothing


def test_a_misspelt_setting_is_warned_of_in_one_line(start: Start, short_path: Path) -> None:
    (short_path / ".env").write_text(
        "ZMQ_SOKET_PATH=/run/s\nworkers=2\nPACK_DB_PATH=/srv/x.db\nLOG_LEVEL=INFO\n"
        "DB_NAME=app\nDB_USER=app\nDB_HOST=db\nDATABASE_URL=mysql://db\nALLOWED_HOSTS=a\n"
    )
    daemon = start(DB_SYNCRONOUS="another program's", PACK_DB_WORKERS="2")
    [warning] = [line for line in daemon.log.splitlines() if " WARNING " in line]
    named = re.findall(r"(\w+) \(did you mean (\w+)\?\)", warning)
    assert named == [
        ("PACK_DB_PATH", "DB_PATH"),
        ("PACK_DB_WORKERS", "WORKERS"),
        ("ZMQ_SOKET_PATH", "ZMQ_SOCKET_PATH"),
        ("workers", "WORKERS"),
    ]


def test_every_event_is_one_line_with_its_time(start: Start) -> None:
    daemon = start()
    assert daemon.stop(signal.SIGINT) == 0
    lines = daemon.log.splitlines()
    assert lines
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} INFO pack_db_daemon\.\w+: ", line)


def test_a_migration_is_logged_once(start: Start) -> None:
    daemon = start()
    daemon.stop()
    assert daemon.log.count("0001_accounts_and_ledger") == 1


def test_the_journal_gets_no_time_as_it_writes_its_own(start: Start, short_path: Path) -> None:
    log = short_path / "log"
    log.touch()
    status = log.stat()
    daemon = start(JOURNAL_STREAM=f"{status.st_dev}:{status.st_ino}")
    assert daemon.log.startswith("INFO pack_db_daemon.daemon: ")


def test_the_finest_log_has_a_line_for_each_message(start: Start) -> None:
    daemon = start(LOG_LEVEL="DEBUG")
    with daemon.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="private@example.com"))
        with db.batch() as batch:
            for amount in (1, 1, 10**9):
                batch.submit(db.tokens.consume_tokens, account.id, amount)
    with RawClient(daemon.socket_path) as raw:
        raw.call("private.secret", [])
        raw.exchange(b"no request")
    daemon.stop()
    lines = [
        line.split(f"process {os.getpid()}, user {os.geteuid()}: ")[1]
        for line in daemon.log.splitlines()
        if " DEBUG " in line
    ]
    assert [line.split(";")[0] for line in lines] == [
        "accounts.create_account ok",
        "2 x tokens.consume_tokens ok, tokens.consume_tokens insufficient_tokens",
        "? unknown_method",
        "bad_request",
    ]
    assert all(re.fullmatch(r"\d+\.\d{3} ms", line.split("; ")[1]) for line in lines)


def test_not_even_the_finest_log_has_a_value_of_a_call(start: Start) -> None:
    daemon = start(LOG_LEVEL="DEBUG")
    with daemon.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="private@example.com"))
        db.accounts.authenticate(account.api_key)
    daemon.stop()
    assert "private@example.com" not in daemon.log
    assert account.id not in daemon.log
    assert account.api_key not in daemon.log


def test_a_log_line_may_be_a_json_object(start: Start) -> None:
    daemon = start(LOG_FORMAT="json", PACK_DB_PATH="/srv/x.db")
    daemon.stop()
    lines = [json.loads(line) for line in daemon.log.splitlines()]
    assert [line["message"] for line in lines][-1] == "stopped"
    assert lines[0].keys() == {"time", "level", "logger", "message"}
    assert {line["level"] for line in lines} == {"INFO", "WARNING"}
    assert datetime.fromisoformat(lines[0]["time"]).tzinfo is not None


def test_paths_may_be_options(short_path: Path) -> None:
    database, listening = short_path / "o.db", short_path / "o"
    daemon = DaemonProcess(short_path, {"DB_PATH": "/nowhere/x", "ZMQ_SOCKET_PATH": "/nowhere/y"})
    with subprocess.Popen(
        [*PACK_DB, "serve", "--db", "o.db", "--socket", "o"],
        env=daemon.environment,
        cwd=short_path,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if " serves " in line:
                break
        with PackDb(listening) as db:
            assert db.status().database.path == str(database)
        process.terminate()
