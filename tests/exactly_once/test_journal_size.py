"""Whom the reply journal remembers, and how long."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from pack_db.config import Config
from pack_db.errors import SequenceTooOld, StorageConflict
from pack_db.impls.database_connection import DatabaseConnection
from pack_db.impls.peewee_reply_journal import PeeweeReplyJournal
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
    database = DatabaseConnection(config)
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


def test_pruning_does_not_keep_the_daemon_long(
    database: DatabaseConnection, journal: PeeweeReplyJournal, clock: Clock
) -> None:
    with database.transaction():
        for n in range(1_200):
            do(journal, message(n.to_bytes(16), 1, deadline_ns=clock.now_ns))
    clock.now_ns += 1

    steps = [journal.prune()]
    left = [row_count(database)]
    while steps[-1]:
        steps.append(journal.prune())
        left.append(row_count(database))

    assert left == [700, 200, 0]


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
