"""A process reads its settings once: they do not change under it, but when SIGHUP asks for it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import COMMAND_ENDS_S

# `pack-db`, and in the file READS a mark for each time that it opened a `.env`.
COUNTING = """
import os, sys
reads = os.open(os.environ["READS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.addaudithook(
    lambda event, given: event == "open" and str(given[0]) == ".env" and os.write(reads, b".")
)
from pack_db_daemon.cli.main import main
main()
"""


@pytest.fixture
def directory(short_path: Path) -> Path:
    (short_path / ".env").write_text("LOG_LEVEL=INFO\n")
    return short_path


@pytest.fixture
def daemon(directory: Path) -> Iterator[DaemonProcess]:
    command = [sys.executable, "-c", COUNTING, "serve"]
    daemon = DaemonProcess(directory, {"READS": str(directory / "daemon")}, command)
    yield daemon
    daemon.clean_up()


def reads(directory: Path, name: str) -> int:
    return len((directory / name).read_bytes())


def test_the_daemon_reads_them_once_until_it_is_told_to_read_them_again(
    daemon: DaemonProcess, directory: Path
) -> None:
    daemon.start()
    with daemon.client() as db:
        assert reads(directory, "daemon") == 1
        daemon.send_signal(signal.SIGHUP)
        while "re-read the log level" not in daemon.log:
            db.ping()
    assert reads(directory, "daemon") == 2
    assert daemon.stop() == 0
    assert reads(directory, "daemon") == 2


@pytest.mark.parametrize(
    "command",
    [
        "accounts get a@example.com",
        "accounts list",
        "call accounts.list_accounts limit=1",
        "call --help",
        "export accounts",
        "import accounts -",
        "status",
        "check",
        "backup {}/backup.db",
        "migrate status",
    ],
)
def test_a_command_reads_them_once(daemon: DaemonProcess, directory: Path, command: str) -> None:
    daemon.start()
    with daemon.client() as db:
        db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    run(daemon, command.format(directory))
    assert reads(directory, "command") == 1
    assert daemon.stop() == 0


@pytest.mark.parametrize("command", ["migrate up", "migrate up --json"])
def test_a_command_that_needs_no_daemon_reads_them_once(
    daemon: DaemonProcess, directory: Path, command: str
) -> None:
    run(daemon, command)
    assert reads(directory, "command") == 1


def run(daemon: DaemonProcess, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, *command.split()],
        env=daemon.environment | {"READS": str(daemon.directory / "command")},
        cwd=daemon.directory,
        input=json.dumps({"email": "b@example.com"}),
        capture_output=True,
        text=True,
        timeout=COMMAND_ENDS_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
