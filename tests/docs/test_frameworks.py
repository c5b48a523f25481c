"""The programs of the how-to pages, run as their pages say, beside a real daemon."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from pack_db_client import Account, CreateAccountInput, PackDb
from tests.docs.page import blocks
from tests.faults.conditions import wait_until
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
HOW_TO = ROOT / "docs" / "how-to"
# No proxy of the environment is asked for what is on this host.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# Of the page that says how to start it: where it listens.
PORT_OPTIONS = {"fastapi": ["--port", "{}"], "gunicorn": ["--bind", "127.0.0.1:{}"]}


class Site:
    """A program that is asked through HTTP."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def ask(self, path: str, method: str = "GET", api_key: str = "") -> tuple[int, Any]:
        headers = {"X-Api-Key": api_key} if api_key else {}
        asked = urllib.request.Request(self._address + path, headers=headers, method=method)
        try:
            with OPENER.open(asked, timeout=PATIENCE_S) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def answers(self) -> bool:
        try:
            self.ask("/health")
        except (URLError, ConnectionError):
            return False
        return True


@contextmanager
def running(page: str, daemon: DaemonProcess) -> Iterator[Site]:
    text = (HOW_TO / f"{page}.md").read_text()
    [command] = re.findall(r"^    ((?:uvicorn|gunicorn) .*)$", text, re.MULTILINE)
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split(), *(o.format(port) for o in PORT_OPTIONS[page])],
        cwd=EXAMPLES / "web",
        env=daemon.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        site = Site(port)
        wait_until(site.answers, f"{command} answered")
        yield site
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def ada(db: PackDb) -> Account:
    made = CreateAccountInput(email="ada@example.com", token_remaining=1000)
    return db.accounts.create_account(made)


@pytest.mark.parametrize("page", PORT_OPTIONS)
def test_a_site_of_two_workers_shares_the_database(
    page: str, daemon: DaemonProcess, db: PackDb, ada: Account
) -> None:
    with running(page, daemon) as site:
        question = "/questions?question=how%20are%20you"
        left = [site.ask(question, "POST", ada.api_key)[1]["tokens_left"] for _ in range(20)]
        assert left == list(range(997, 937, -3))
        assert site.ask(question, "POST", "rs_" + 32 * "0")[0] == 401
        db.tokens.consume_tokens(ada.id, 940)
        status, refused = site.ask(question, "POST", ada.api_key)
        assert (status, refused["error"]) == (402, "insufficient_tokens")

        daemon.stop()
        status, away = site.ask("/health")
        assert (status, away["error"]) == (503, "no_daemon")
        daemon.start()
        assert [site.ask("/health")[0] for _ in range(10)] == [200] * 10


def test_the_example_of_fastapi_has_tests_that_pass() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=EXAMPLES / "web",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(EXAMPLES / "web")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_job_is_done_by_one_of_the_pool(short_path: Path) -> None:
    jobs = [f"job-{number}" for number in range(40)]
    (short_path / "jobs.txt").write_text("\n".join(jobs))
    settings = {
        "SERVICE_FACTORY": "jobs.factory:JobsFactory",
        "PYTHONPATH": str(EXAMPLES / "jobs"),
    }
    daemon = DaemonProcess(short_path, settings)
    daemon.start()
    try:
        done = subprocess.run(
            [sys.executable, EXAMPLES / "worker_pool.py", "4", "jobs.txt"],
            cwd=short_path,
            env=daemon.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    finally:
        daemon.clean_up()
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == sorted(jobs)


NOTEBOOK = """
import sys
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in sys.stdin.read().split("# next cell\\n"):
    result = shell.run_cell(cell, silent=False)
    result.raise_error()
    print("# next output")
"""


def test_the_cells_of_a_notebook_run_and_run_again(daemon: DaemonProcess) -> None:
    page = blocks((HOW_TO / "notebook.md").read_text())
    cells = [block.text for block in page if block.language == "python"]
    shown = [block.text for block in page if block.language == "text"]
    assert len(cells) == len(shown) > 3

    def run(cells: list[str]) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", NOTEBOOK],
            input="# next cell\n".join(cells),
            cwd=daemon.directory,
            env=daemon.environment | {"IPYTHONDIR": str(daemon.directory), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split("# next output\n")[:-1]

    outputs = [re.sub(r"Out\[\d+\]: ", "", output).strip() for output in run(cells)]
    assert outputs == [text.strip() for text in shown]
    daemon.kill()  # between two cells; the kernel goes on
    daemon.start()
    run([cell for cell in cells for _ in range(2)])
