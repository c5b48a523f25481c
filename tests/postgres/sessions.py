"""Other sessions of the database, which get in the way of the daemons' own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from tests.support.daemon_process import PATIENCE_S

# Of the daemons; what waits in COMMIT for a standby is "SyncRep".
_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'pack-db' AND datname = current_database()
        AND (wait_event_type = 'Lock' OR wait_event = 'SyncRep')
"""
_IN_TRANSACTION = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'pack-db' AND datname = current_database() AND xact_start IS NOT NULL
"""
_HOLD_COMMITS = """
    CREATE FUNCTION wait_in_commit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END
    $$;
    CREATE CONSTRAINT TRIGGER wait_in_commit AFTER INSERT ON ledger_entries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_in_commit();
    SELECT pg_advisory_lock(1)
"""
_LET_COMMITS_GO = """
    SELECT pg_advisory_unlock(1);
    DROP TRIGGER wait_in_commit ON ledger_entries;
    DROP FUNCTION wait_in_commit
"""


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it does not happen"
        time.sleep(0.005)


@contextmanager
def account_locked(url: str, account_id: str) -> Iterator[psycopg.Connection]:
    """Nobody else can write to the account's row."""
    with psycopg.connect(url) as session:
        session.execute("SELECT FROM accounts WHERE id = %s FOR UPDATE", [account_id])
        yield session
        session.rollback()


@contextmanager
def commits_held(url: str) -> Iterator[None]:
    """Every commit of a booking waits in the middle of COMMIT, undecided."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(_HOLD_COMMITS)
        yield
        session.execute(_LET_COMMITS_GO)


def wait_until_waiting(url: str, count: int) -> None:
    """Until so many of the daemons' sessions are held up."""
    with psycopg.connect(url, autocommit=True) as session:
        wait_until(lambda: session.execute(_WAITING).fetchall() == [(count,)])


def wait_until_quiet(url: str) -> None:
    """Until the daemons have nothing under way, so nothing can come later."""
    with psycopg.connect(url, autocommit=True) as session:
        wait_until(lambda: session.execute(_IN_TRANSACTION).fetchall() == [(0,)])
