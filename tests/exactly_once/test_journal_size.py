"""Whom the reply journal remembers, and how long."""

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from pack_db.config import Config
from pack_db.errors import ReplyNotKept, SequenceTooOld, StorageConflict
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.exactly_once.peewee_reply_journal import PeeweeReplyJournal
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.reply_journal import JournaledMessage
from pack_db_client import Account, PackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

ALICE = b"alice".ljust(16)


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def database(config: Config) -> Iterator[DatabaseConnection]:
    database = ServiceFactory(config).get_database_connection()
    database.run_migrations()
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(database: DatabaseConnection, clock: Clock) -> PeeweeReplyJournal:
    return PeeweeReplyJournal(database, clock)


def message(client_id: bytes, sequence: int, deadline_ns: int) -> JournaledMessage:
    return JournaledMessage(
        client_id=client_id,
        user_id=os.getuid(),
        sequence=sequence,
        digest=sequence.to_bytes(16),
        deadline_ns=deadline_ns,
    )


def do(journal: PeeweeReplyJournal, journaled: JournaledMessage) -> None:
    assert journal.find(journaled) is None
    journal.record(journaled, b"reply")


def row_count(database: DatabaseConnection) -> int:
    return int(database.execute("SELECT count(*) FROM reply_journal")[0][0])


def test_a_client_is_remembered_until_its_deadline_has_passed(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    do(journal, message(ALICE, 1, deadline_ns=2_000))

    clock.now_ns = 2_000
    journal.prune()
    assert journal.find(message(ALICE, 1, deadline_ns=2_000)) == b"reply"

    clock.now_ns = 2_001
    journal.prune()
    assert row_count(database) == 0


def test_an_earlier_message_with_a_later_deadline_keeps_the_client_remembered(
    journal: PeeweeReplyJournal, clock: Clock
) -> None:
    do(journal, message(ALICE, 1, deadline_ns=9_000))
    do(journal, message(ALICE, 2, deadline_ns=2_000))

    clock.now_ns = 8_999
    journal.prune()

    with pytest.raises(SequenceTooOld):
        journal.find(message(ALICE, 1, deadline_ns=9_000))


def test_what_another_daemon_recorded_is_found_once_it_was_in_the_way(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    another = PeeweeReplyJournal(database, clock)
    do(journal, message(ALICE, 1, deadline_ns=9_000))
    do(another, message(ALICE, 2, deadline_ns=9_000))
    retried = message(ALICE, 2, deadline_ns=9_000)

    if journal.find(retried) is None:
        with pytest.raises(StorageConflict):
            journal.record(retried, b"another reply")

    assert journal.find(retried) == b"reply"


def test_clients_of_an_earlier_boot_are_forgotten(
    database: DatabaseConnection, clock: Clock
) -> None:
    do(PeeweeReplyJournal(database, clock, "this boot"), message(ALICE, 1, deadline_ns=9_000))

    PeeweeReplyJournal(database, clock, "this boot").prune()
    assert row_count(database) == 1

    PeeweeReplyJournal(database, clock, "the next boot").prune()
    assert row_count(database) == 0


def test_a_hundred_thousand_short_lived_clients_leave_nothing_behind(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    sizes = []
    for generation in range(10):
        with database.transaction():
            for n in range(10_000):
                client_id = f"{generation}/{n}".encode().ljust(16)
                do(journal, message(client_id, 1, deadline_ns=clock.now_ns))
            assert row_count(database) == 10_000
            clock.now_ns += 1
            while journal.prune():
                pass
            assert row_count(database) == 0
        sizes.append(int(database.execute("PRAGMA page_count")[0][0]))

    assert max(sizes) < 1.2 * sizes[0]  # not the same: pages fill up as chance will have it


def test_row_88_pruning_goes_in_small_steps(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    with database.transaction():
        for n in range(100):
            do(journal, message(n.to_bytes(16), 1, deadline_ns=clock.now_ns))
    clock.now_ns += 1
    left = [row_count(database)]
    while journal.prune():
        left.append(row_count(database))
    assert left[0] == 100
    assert left[-1] == 0
    assert all(0 < before - after <= 16 for before, after in itertools.pairwise(left))


def test_row_88_rows_of_large_replies_go_one_by_one(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    for n in range(4):
        journal.record(message(n.to_bytes(16), 1, deadline_ns=clock.now_ns), bytes(2**19))
    clock.now_ns += 1
    left = []
    while journal.prune():
        left.append(row_count(database))
    assert left == [3, 2, 1, 0]


def steps_of_the_engine(database: DatabaseConnection, work: Callable[[], object]) -> int:
    """How many instructions SQLite's machine runs for it."""
    connection: apsw.Connection = database._database.connection()  # type: ignore[no-untyped-call]
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection.set_progress_handler(count, 1)
    work()
    connection.set_progress_handler(None)
    return steps


FILL = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO reply_journal SELECT randomblob(32), 0, 1, zeroblob(16), zeroblob(100), ?, ? FROM n
"""


@pytest.mark.parametrize("expired", ["none", "all", "of an earlier boot", "of a later name"])
def test_row_88_a_step_does_the_same_work_however_many_rows_there_are(
    database: DatabaseConnection, clock: Clock, expired: str
) -> None:
    boot = {"of an earlier boot": "boot 1", "of a later name": "boot 3"}.get(expired, "boot 2")
    expires_ns = clock.now_ns + (1000 if expired == "none" else -1)
    counts = []
    for rows in (1_000, 49_000):
        database.execute(FILL, [rows, boot, expires_ns])
        journal = PeeweeReplyJournal(database, clock, "boot 2")
        database.execute(FILL, [rows, "boot 2", clock.now_ns + 1000])
        counts.append(steps_of_the_engine(database, journal.prune))
    assert counts[1] < 1.2 * counts[0] + 100


def test_row_88_a_new_client_takes_two_expired_ones_along(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    """So however busy a daemon is, there are never more than have not expired."""
    for n in range(100):
        do(journal, message(n.to_bytes(16), 1, deadline_ns=clock.now_ns))
    clock.now_ns += 1
    for n in range(100, 160):
        do(journal, message(n.to_bytes(16), 1, deadline_ns=clock.now_ns))
    assert row_count(database) == 60


def test_row_88_a_client_that_goes_on_writing_leaves_the_index_alone(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    second_ns = 10**9
    expiries = []
    for n in range(1, 100):
        do(journal, message(ALICE, n, deadline_ns=clock.now_ns + 5 * second_ns))
        [(expires_ns,)] = database.execute("SELECT expires_ns FROM reply_journal")
        assert clock.now_ns + 5 * second_ns <= expires_ns <= clock.now_ns + 15 * second_ns
        expiries.append(expires_ns)
        clock.now_ns += second_ns // 10
    assert len(set(expiries)) <= 3


def test_row_88_a_row_that_was_not_committed_is_not_relied_upon(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    do(journal, message(ALICE, 1, deadline_ns=clock.now_ns + 100))
    with contextlib.suppress(KeyError), database.transaction():
        journal.record(message(ALICE, 2, deadline_ns=clock.now_ns + 10**12), b"undone")
        raise KeyError
    do(journal, message(ALICE, 3, deadline_ns=clock.now_ns + 10**11))
    [(expires_ns,)] = database.execute("SELECT expires_ns FROM reply_journal")
    assert expires_ns >= clock.now_ns + 10**11


def test_row_88_large_replies_are_bounded_and_those_that_are_done_are_still_known(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    large = bytes(2**20)
    for n in range(70):
        journal.record(message(n.to_bytes(16), 1, deadline_ns=clock.now_ns + 1000), large)
    [(stored,)] = database.execute("SELECT SUM(LENGTH(reply)) FROM reply_journal")
    assert 60 * 2**20 < stored < 65 * 2**20
    assert journal.find(message(bytes(16), 1, deadline_ns=clock.now_ns + 1000)) == large
    last = message((69).to_bytes(16), 1, deadline_ns=clock.now_ns + 1000)
    with pytest.raises(ReplyNotKept, match="was done when it came first"):
        journal.find(last)
    do(journal, message(bytes(16), 2, deadline_ns=clock.now_ns + 1000))  # its room is free again
    journal.record(message((69).to_bytes(16), 2, deadline_ns=clock.now_ns + 1000), large)
    assert journal.find(message((69).to_bytes(16), 2, deadline_ns=0)) == large
    clock.now_ns += 1001
    again = message(b"later".ljust(16), 1, deadline_ns=clock.now_ns + 1000)
    journal.record(again, large)
    assert journal.find(again) == large


def test_a_running_daemon_forgets_by_itself(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    for _ in range(3):
        with daemon.client(timeout_s=3) as short_lived:
            short_lived.tokens.consume_tokens(account.id, 1)
    connection = apsw.Connection(str(daemon.database_path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        give_up = time.monotonic() + PATIENCE_S
        while _rows(connection) > 1:  # that of `db`, whose deadline is far
            assert time.monotonic() < give_up
            time.sleep(0.02)
    finally:
        connection.close()


def test_queries_write_nothing(daemon: DaemonProcess, db: PackDb, account: Account) -> None:
    connection = apsw.Connection(str(daemon.database_path), flags=apsw.SQLITE_OPEN_READONLY)
    wal = Path(f"{daemon.database_path}-wal")
    try:
        rows, size, modified = _rows(connection), wal.stat().st_size, wal.stat().st_mtime_ns
        for _ in range(100):
            with daemon.client() as client:
                client.tokens.get_balance(account.id)
        assert _rows(connection) == rows
        assert (wal.stat().st_size, wal.stat().st_mtime_ns) == (size, modified)
    finally:
        connection.close()


def _rows(connection: apsw.Connection) -> int:
    [(count,)] = connection.execute("SELECT count(*) FROM reply_journal")
    return int(count)
