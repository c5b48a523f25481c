"""A disk that is full, fails, or may not be written to."""

import errno
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from pack_db.config import Config
from pack_db.errors import StorageError, StorageFull
from pack_db.impls.service_factory import ServiceFactory
from pack_db_client import Account, CreateAccountInput, PackDb
from tests.exactly_once.child import as_nobody
from tests.faults.conditions import NOBODY, needs_root
from tests.faults.good_client import good_client
from tests.support.daemon_process import DaemonProcess

_SERVE = f"exec {sys.executable} -m pack_db_daemon serve"


def _spend_until(error: type[StorageError], db: PackDb, account: Account) -> None:
    """Write until it fails, and see that what failed was undone."""
    left = db.tokens.get_balance(account.id).total
    try:
        while left:
            db.tokens.consume_tokens(account.id, 1)
            left -= 1
    except error:
        pass
    assert left
    assert db.tokens.get_balance(account.id).total == left
    _check_ledger(db, account)


def _check_ledger(db: PackDb, account: Account) -> None:
    amounts: list[int] = []
    while page := db.tokens.list_entries(account.id, after=len(amounts), limit=500):
        amounts += [entry.amount for entry in page]
    assert sum(amounts) == db.tokens.get_balance(account.id).total


def _account(db: PackDb) -> Account:
    return db.accounts.create_account(
        CreateAccountInput(email="spender@example.com", token_remaining=10**6)
    )


@pytest.fixture
def mounted(short_path: Path) -> Iterator[Callable[..., DaemonProcess]]:
    """Makes a daemon with its database on a file system that only it sees, below `disk`."""
    disk = short_path / "disk"
    disk.mkdir()
    daemons = []

    def make(*mounts: str) -> DaemonProcess:
        script = " && ".join([*(f"mount {mount} {disk}" for mount in mounts), _SERVE])
        command = ["unshare", "--mount", "sh", "-c", script]
        daemon = DaemonProcess(short_path, {"DB_PATH": str(disk / "pack.db")}, command)
        daemons.append(daemon)
        return daemon

    yield make
    for daemon in daemons:
        daemon.clean_up()


@needs_root
def test_row_44_on_a_full_disk_reads_go_on_and_writes_resume_when_there_is_room(
    mounted: Callable[..., DaemonProcess],
) -> None:
    daemon = mounted("-t tmpfs -o size=3m tmpfs")
    daemon.start()
    ballast = Path(f"/proc/{daemon.pid}/root{daemon.database_path}").with_name("ballast")
    with daemon.client() as db, good_client(daemon.socket_path) as good:
        account = _account(db)
        ballast.write_bytes(bytes(2 * 2**20))
        for _ in range(2):
            _spend_until(StorageFull, db, account)
        assert db.status().database.health.startswith("no room left for the database")
        good.wait_for_answers(20)

        ballast.unlink()
        for _ in range(100):
            db.tokens.consume_tokens(account.id, 1)
        _check_ledger(db, account)
        assert db.status().database.health == "good"
        assert db.accounts.list_accounts()
    assert daemon.stop() == 0
    assert daemon.log.count("storage_full: ") == 1
    assert "the database can be written to again" in daemon.log


def test_row_44_a_database_at_its_largest_size_takes_writes_again_when_it_may_grow(
    config: Config,
) -> None:
    factory = ServiceFactory(config)
    database, accounts = factory.get_database_connection(), factory.get_account_repo()
    database.run_migrations()
    [(pages,)] = database.execute("PRAGMA page_count")
    database.execute(f"PRAGMA max_page_count = {pages}")
    made = 0
    try:
        while made < 500:
            accounts.create_account(CreateAccountInput(email=f"{made}@example.com"))
            made += 1
    except StorageFull:
        pass
    assert database.check().startswith("no room left for the database")
    assert len(accounts.list_accounts(limit=500)) == made

    database.execute("PRAGMA max_page_count = 1000000")
    accounts.create_account(CreateAccountInput(email="again@example.com"))
    assert database.check() == "good"
    database.close()


def test_row_45_an_io_error_undoes_its_call_and_leaves_the_database_whole(
    daemon: DaemonProcess,
) -> None:
    with daemon.client() as db, good_client(daemon.socket_path) as good:
        account = _account(db)
        log = daemon.database_path.with_name("pack.db-wal")
        no_limit = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
        # Python ignores SIGXFSZ, so to write further is an error of the write.
        limit = max(log.stat().st_size, 100_000)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (limit, no_limit[1]))
        for _ in range(3):
            _spend_until(StorageError, db, account)
        health = db.status().database.health
        assert health.startswith("the database failed: disk I/O error")
        # Row 45: what the system said, for whoever has to find out.
        assert f"(SQLITE_IOERR_WRITE, errno {errno.EFBIG}: {os.strerror(errno.EFBIG)})" in health
        assert health in daemon.log
        good.wait_for_answers(20)

        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, no_limit)
        db.tokens.consume_tokens(account.id, 1)
        assert db.status().database.health == "good"
        daemon.kill()
        daemon.start()
        _check_ledger(db, account)
    assert daemon.stop() == 0
    assert daemon.log.count("storage_error: ") == 1
    connection = apsw.Connection(str(daemon.database_path))
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


@needs_root
def test_row_46_a_read_only_file_system_is_refused_by_name(
    mounted: Callable[..., DaemonProcess],
) -> None:
    first = mounted()
    first.start()
    assert first.stop() == 0
    disk = first.database_path.parent
    second = mounted(f"--bind {disk}", "-o remount,bind,ro")
    second.start(wait=False)
    assert second.wait() == 5
    last_line = second.log.splitlines()[-1]
    assert str(disk) in last_line
    assert "Read-only file system" in last_line
    assert "Traceback" not in second.log


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        (".", 0o500, "storage_read_only: cannot open {}: the database may not be written to"),
        ("pack.db", 0o400, "storage_read_only: this user may only read {}"),
        ("pack.db", 0o000, "storage_error: cannot open {}"),
        ("pack.db.lock", 0o400, "storage_error: cannot open the lock file {}.lock: Permission"),
    ],
)
def test_row_46_what_may_not_be_written_to_is_refused_by_name(
    short_path: Path, name: str, mode: int, reason: str
) -> None:
    path = short_path / "pack.db"

    def open_it() -> str:
        try:
            database = ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
        except StorageError as error:
            return f"{error.code}: {error}"
        database.run_migrations()
        database.close()
        return "opened"

    def as_other_than_root(function: Callable[[], str]) -> str:
        return function() if os.geteuid() else as_nobody(function)

    if os.geteuid() == 0:
        os.chown(short_path, NOBODY, NOBODY)
    assert as_other_than_root(open_it) == "opened"
    (short_path / name).chmod(mode)
    refusal = as_other_than_root(open_it)
    short_path.chmod(0o700)
    assert refusal.startswith(reason.format(path))
