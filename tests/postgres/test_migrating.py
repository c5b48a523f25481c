"""Two daemons that start on one database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from pack_db.config import Config
from pack_db.impls.service_factory import ServiceFactory
from tests.postgres.sessions import wait_until

_LOCK = int.from_bytes(b"pack-db")
_WAITED = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND clock_timestamp() - query_start > interval '2.5 seconds'
"""


def test_who_starts_while_another_migrates_waits_longer_than_a_call_may(
    new_database: Callable[[], str],
) -> None:
    url = new_database()

    def let_it_go() -> None:
        wait_until(lambda: another.execute(_WAITED).fetchall() == [(1,)])
        another.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])

    database = ServiceFactory(Config({"DB_URL": url})).get_database_connection()
    with psycopg.connect(url, autocommit=True) as another, ThreadPoolExecutor() as threads:
        another.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        going = threads.submit(let_it_go)
        assert database.run_migrations()[-1] == "0004_deleted_accounts"
        going.result()
    database.close()


def test_calls_have_their_limits_again_after_the_migrations(
    new_database: Callable[[], str],
) -> None:
    database = ServiceFactory(Config({"DB_URL": new_database()})).get_database_connection()
    database.run_migrations()
    assert database.execute("SHOW lock_timeout") == [("2s",)]
    assert database.execute("SHOW statement_timeout") == [("1min",)]
    database.close()
