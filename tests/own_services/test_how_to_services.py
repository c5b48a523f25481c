"""The services of the how-to pages: their own tests, and what only a daemon can show."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jobs.interface import JobQueue
from limits.interface import LimitReached, RateLimiter
from settings_store.interface import SettingOutdated, SettingsStore

from pack_db_client import AsyncPackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.postgres_server import PostgresServer
from tests.support.running_daemon import running_daemon

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGES = ("jobs", "limits", "settings_store", "notes")
FACTORIES = (
    "jobs.factory:JobsFactory, limits.factory:LimitsFactory, "
    "settings_store.factory:SettingsFactory, notes.factory:NotesFactory"
)
PATH = os.pathsep.join(str(EXAMPLES / package) for package in PACKAGES)
WORKER = """
import sys
from jobs.interface import JobQueue
from pack_db_client import PackDb

with PackDb() as db:
    queue = db.service("jobs", JobQueue)
    while job := queue.claim(lease_s=float(sys.argv[1])):
        if job.attempt == 1 and sys.argv[2:] == ["hang"]:
            print(f"has {job.payload}", flush=True)
            sys.stdin.read()
        queue.complete(job)
        print(job.payload, flush=True)
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    return {"DB_URL": request.getfixturevalue("shared_postgres").new_database()}


@pytest.fixture(scope="module")
def daemon(engine: dict[str, str]) -> Iterator[DaemonProcess]:
    settings = {"PYTHONPATH": PATH, "SERVICE_FACTORY": FACTORIES, **engine}
    with running_daemon(settings) as daemon:
        yield daemon


@pytest.mark.parametrize("package", PACKAGES)
def test_its_own_tests_pass(package: str) -> None:
    run_tests(EXAMPLES / package, PYTHONPATH=str(EXAMPLES / package))


ON_ANOTHER_DAEMON = """
import pytest
from pack_db_client import PackDb

@pytest.fixture
def pack_db():
    with PackDb() as db:
        yield db
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_its_own_tests_pass_on_postgres(
    package: str, shared_postgres: PostgresServer, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLES / package / "tests", tmp_path / "tests")
    (tmp_path / "conftest.py").write_text(ON_ANOTHER_DAEMON)
    settings = {"PYTHONPATH": PATH, "SERVICE_FACTORY": FACTORIES}
    with running_daemon({**settings, "DB_URL": shared_postgres.new_database()}) as daemon:
        run_tests(tmp_path, **settings, ZMQ_SOCKET_PATH=str(daemon.socket_path))


def run_tests(directory: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_job_queue_takes_at_most_130_lines_with_its_test() -> None:
    files = (EXAMPLES / "jobs").rglob("*.py")
    assert 0 < sum(len(path.read_text().splitlines()) for path in files) <= 130


def test_200_jobs_are_each_done_once_by_4_processes_of_which_one_is_killed(
    daemon: DaemonProcess,
) -> None:
    payloads = [f"job {n}" for n in range(200)]
    with daemon.client() as db:
        queue = db.service("jobs", JobQueue)
        with db.batch() as batch:
            for payload in payloads:
                batch.submit(queue.enqueue, payload)
        killed = worker(daemon, "2", "hang")
        assert killed.stdout is not None
        held = killed.stdout.readline().removeprefix("has ").strip()
        others = [worker(daemon, "60") for _ in range(3)]
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=PATIENCE_S)
        done = [line for w in others for line in w.communicate(timeout=PATIENCE_S)[0].splitlines()]
        until = time.monotonic() + PATIENCE_S
        while held not in done and time.monotonic() < until:  # its lease has to end first
            if job := queue.claim():
                assert (job.payload, job.attempt) == (held, 2)
                queue.complete(job)
                done.append(job.payload)
        assert queue.claim() is None
    assert sorted(done) == sorted(payloads)


def worker(daemon: DaemonProcess, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments],
        env=daemon.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_many_at_once_get_no_more_than_the_limit(daemon: DaemonProcess) -> None:
    async def all_at_once() -> list[object]:
        async with AsyncPackDb(daemon.socket_path, timeout_s=PATIENCE_S) as db:
            take: Any = db.service("limits", RateLimiter).take
            calls = (take("many", 5, 86_400) for _ in range(20))
            return [*await asyncio.gather(*calls, return_exceptions=True)]

    answers = asyncio.run(all_at_once())
    assert sorted(left for left in answers if isinstance(left, int)) == [0, 1, 2, 3, 4]
    refused = [error for error in answers if isinstance(error, LimitReached)]
    assert len(refused) == 15
    assert all(0 < error.retry_after_s <= 86_400 for error in refused)


def test_settings_change_together_and_whoever_is_late_is_told(daemon: DaemonProcess) -> None:
    with daemon.client() as db:
        store = db.service("settings", SettingsStore)
        colour, size = store.change({"colour": "red", "size": "3"}, "ada")
        assert (store.get("colour"), store.get("size")) == (colour, size)
        store.replace(colour, "blue", "bob")
        with pytest.raises(SettingOutdated, match="somebody else has changed colour"):
            store.replace(colour, "green", "eve")
        assert [(s.value, s.version) for s in store.history("colour")] == [("blue", 2), ("red", 1)]
        assert colour.changed_at.utcoffset() is not None
