"""The live database under other people's tools, which read it while the daemon writes."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.pack_db_command import PackDbCommand

README = (Path(__file__).parents[2] / "README.md").read_text()
# No proxy of the environment is asked for what is on this host.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def writing(daemon: DaemonProcess, db: PackDb) -> Iterator[str]:
    """The id of an account that the daemon writes to all the time, without an error."""
    account = db.accounts.create_account(CreateAccountInput(email="busy@example.com"))
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        with daemon.client() as client:
            while not stop.is_set():
                client.tokens.top_up(account.id, 1)
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    yield account.id
    stop.set()
    writer.join()
    assert db.tokens.get_balance(account.id).topup_remaining == written > 0
    assert "fault" not in PackDbCommand(daemon).text("check")


@contextmanager
def web_server(command: list[str], directory: Path) -> Iterator[str]:
    """Run a tool that serves web pages; its address."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    log = directory / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        give_up = time.monotonic() + PATIENCE_S
        while not answers(address):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def answers(address: str) -> bool:
    try:
        page(address)
    except (URLError, ConnectionError):
        return False
    return True


def page(address: str) -> str:
    with OPENER.open(address, timeout=PATIENCE_S) as response:
        return str(response.read().decode())


def installed(tool: str, daemon: DaemonProcess) -> list[str]:
    """The README's command that starts `tool` on the database, if this machine has it."""
    # Python's tools are beside its interpreter, which may not be in $PATH.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    found = shutil.which(tool, path=path)
    if found is None:
        pytest.skip(f"{tool} is not installed")
    [options] = re.findall(rf"^ +{tool} (.*) /srv/app/pack.db$", README, re.MULTILINE)
    return [found, *options.split(), str(daemon.database_path)]


def test_the_sqlite_shell_reads_and_cannot_write(daemon: DaemonProcess, writing: str) -> None:
    shell = installed("sqlite3", daemon)

    def run(sql: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*shell, sql], capture_output=True, text=True, timeout=PATIENCE_S)

    for _ in range(5):
        assert run("SELECT email FROM accounts").stdout == "busy@example.com\n"
    refused = run("DELETE FROM accounts")
    assert refused.returncode != 0
    assert "readonly" in refused.stderr


def test_datasette_shows_the_newest_entries(daemon: DaemonProcess, writing: str) -> None:
    with web_server(installed("datasette", daemon), daemon.directory) as address:

        def entries() -> int:
            sql = "select+count(*)+as+n+from+ledger_entries"
            return int(json.loads(page(f"{address}/pack.json?sql={sql}"))["rows"][0][0])

        before = entries()
        give_up = time.monotonic() + PATIENCE_S
        while entries() == before:
            assert time.monotonic() < give_up


def test_sqlite_web_shows_the_tables(daemon: DaemonProcess, writing: str) -> None:
    with web_server(installed("sqlite_web", daemon), daemon.directory) as address:
        assert "ledger_entries" in page(address)
        assert "busy@example.com" in page(f"{address}/accounts/content/")
