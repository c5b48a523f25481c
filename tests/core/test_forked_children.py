"""Row 80: a process that was forked from one with a database of its own."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pack_db.config import Config
from pack_db.errors import DatabaseInUse, StorageError
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput
from tests.exactly_once.child import forks
from tests.support.daemon_process import PATIENCE_S


def create(factory: ServiceFactory, email: str) -> None:
    factory.get_account_repo().create_account(CreateAccountInput(email=email))


def emails(factory: ServiceFactory) -> list[str]:
    return [account.email for account in factory.get_account_repo().list_accounts()]


@pytest.fixture
def filled(factory: ServiceFactory) -> ServiceFactory:
    create(factory, "parent@example.com")
    return factory


def run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={"DB_PATH": arguments[0], "PATH": os.environ["PATH"]},
        cwd=Path(arguments[0]).parent,
    )


PREAMBLE = """
import os, sys, time
from pack_db.config import Config
from pack_db.errors import DatabaseInUse, PackDbError
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput

factory = ServiceFactory.get_instance()
database = factory.get_database_connection()
database.run_migrations()
accounts = factory.get_account_repo()
accounts.create_account(CreateAccountInput(email="parent@example.com"))

def refused(work):
    try:
        work()
    except PackDbError as error:
        print(error.code, error, flush=True)
    else:
        print("not refused", flush=True)

def children_done():
    try:
        while True:
            assert os.wait()[1] == 0
    except ChildProcessError:
        pass
"""


def test_row_80_everything_refuses_in_a_child_and_the_parent_goes_on(tmp_path: Path) -> None:
    done = run(
        """
if os.fork() == 0:
    refused(lambda: accounts.list_accounts())
    refused(lambda: accounts.create_account(CreateAccountInput(email="child@example.com")))
    refused(lambda: factory.get_token_repo().get_balance("0" * 8 + "-0000" * 3 + "-" + "0" * 12))
    refused(lambda: database.run_migrations())
    refused(lambda: database.status())
    refused(lambda: database.check())
    refused(lambda: database.transaction().__enter__())
    refused(lambda: database.savepoint().__enter__())
    refused(lambda: database.snapshot().__enter__())
    refused(lambda: factory.get_reply_journal().prune())
    sys.exit()
children_done()
wal = os.stat(sys.argv[1] + "-wal").st_size
accounts.create_account(CreateAccountInput(email="later@example.com"))
print(wal > 0, [a.email for a in accounts.list_accounts()], database.check())
""",
        str(tmp_path / "pack.db"),
    )
    assert done.stderr == ""
    *refusals, last = done.stdout.splitlines()
    assert len(refusals) == 10
    for refusal in refusals:
        assert refusal.startswith("storage_error ")
        assert "before this one was forked" in refusal
    assert last == "True ['parent@example.com', 'later@example.com'] good"


@pytest.mark.parametrize("ending", ["sys.exit()", "raise SystemExit", "del database, accounts"])
def test_row_80_a_child_that_ends_closes_nothing_of_its_parent(tmp_path: Path, ending: str) -> None:
    """Nor in the middle of a transaction, which is its parent's."""
    done = run(
        f"""
import gc
with database.transaction():
    accounts.create_account(CreateAccountInput(email="b@example.com"))
    child = os.fork()
    if child == 0:
        factory = None
        {ending}
        gc.collect()
        sys.exit()
    os.waitpid(child, 0)
    accounts.create_account(CreateAccountInput(email="c@example.com"))
print([a.email[0] for a in accounts.list_accounts()], database.check())
print(*database.execute("PRAGMA integrity_check"))
""",
        str(tmp_path / "pack.db"),
    )
    assert done.stdout.splitlines() == ["['p', 'b', 'c'] good", "('ok',)"], done.stderr


def test_row_80_a_child_lives_on_without_the_lock_of_its_parent(tmp_path: Path) -> None:
    """Nor does it take the lock away from a parent that lives."""
    path = tmp_path / "pack.db"
    reader, writer = os.pipe()
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PREAMBLE
            + f"""
go_on = {reader}
if os.fork() == 0:
    refused(accounts.list_accounts)
    os.read(go_on, 1)
    ServiceFactory.reset()
    refused(lambda: ServiceFactory.get_instance().get_database_connection())
    sys.exit()
sys.stdin.read()
""",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[reader],
        env={"DB_PATH": str(path), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert "before this one was forked" in parent.stdout.readline()
    with pytest.raises(DatabaseInUse, match=rf"\b{parent.pid}\b"):
        ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
    parent.kill()
    parent.wait()
    # The child is still there.
    database = ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
    os.write(writer, b"x")
    assert "database_in_use " in parent.stdout.readline()
    assert parent.stdout.read() == ""
    assert database.execute("SELECT email FROM accounts") == [("parent@example.com",)]
    database.close()
    for file in (parent.stdin, parent.stdout):
        file.close()
    for fd in (reader, writer):
        os.close(fd)


def test_row_80_the_parents_file_stays_refused_when_the_parent_is_gone(tmp_path: Path) -> None:
    """SQLite in the child believes to have locks that only its parent had."""
    path = tmp_path / "pack.db"
    done = run(
        """
reader, writer = os.pipe()
if os.fork() == 0:
    os.close(writer)
    os.read(reader, 1)  # until the parent ends
    ServiceFactory.reset()
    def open_once_it_has_ended():
        while True:
            try:
                return ServiceFactory(Config()).get_database_connection()
            except DatabaseInUse:
                time.sleep(0.01)
    refused(open_once_it_has_ended)
    other = ServiceFactory(Config({"DB_PATH": sys.argv[1] + ".other"})).get_database_connection()
    print(len(other.run_migrations()) > 0, flush=True)
    other.close()
    sys.exit()
os.kill(os.getpid(), 9)
""",
        str(path),
    )
    refusal, other = done.stdout.splitlines()
    assert refusal.startswith(f"storage_error {path} was open in the process")
    assert other == "True"
    database = ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
    assert database.execute("SELECT email FROM accounts") == [("parent@example.com",)]
    database.close()


def _consume(number: int) -> str:
    try:
        create(ServiceFactory.get_instance(), f"{number}@example.com")
    except StorageError as error:
        return str(error)
    return "not refused"


@forks
def test_row_80_a_pool_of_forked_workers_is_refused(filled: ServiceFactory) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map(_consume, range(4))
    assert all("before this one was forked" in answer for answer in answers)
    create(filled, "later@example.com")
    assert emails(filled) == ["parent@example.com", "later@example.com"]
