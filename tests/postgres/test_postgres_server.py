"""What the other tests rely on: that a crash is one, and that a failover loses nothing."""

import threading
from collections.abc import Callable

import psycopg
import pytest

from tests.support.postgres_server import PostgresPair, PostgresServer


def test_databases_are_apart(new_database: Callable[[], str]) -> None:
    with psycopg.connect(new_database()) as one, psycopg.connect(new_database()) as other:
        one.execute("CREATE TABLE notes (id int)")
        one.commit()
        with pytest.raises(psycopg.errors.UndefinedTable):
            other.execute("SELECT * FROM notes")


def test_a_kill_keeps_what_was_committed_and_nothing_else(postgres: PostgresServer) -> None:
    postgres.execute("CREATE TABLE notes (id int)")
    postgres.execute("INSERT INTO notes VALUES (1)")
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("INSERT INTO notes VALUES (2)")
        postgres.kill()
        with pytest.raises(psycopg.OperationalError) as failure:
            connection.commit()
    assert failure.value.sqlstate is None  # the server had no time to say that it ends
    postgres.start()
    assert postgres.execute("SELECT id FROM notes") == [(1,)]


def test_a_suspended_server_answers_once_resumed(postgres: PostgresServer) -> None:
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.extend(postgres.execute("SELECT 1")))
    postgres.suspend()
    asking.start()
    asking.join(0.1)
    assert asking.is_alive()
    postgres.resume()
    asking.join()
    assert answers == [(1,)]


def test_a_failover_keeps_what_was_committed(postgres_pair: PostgresPair) -> None:
    postgres_pair.primary.execute("CREATE TABLE notes (id int)")
    postgres_pair.primary.execute("INSERT INTO notes VALUES (1)")
    postgres_pair.fail_over()
    with psycopg.connect(postgres_pair.url()) as connection:
        connection.execute("INSERT INTO notes VALUES (2)")
        connection.commit()  # does not wait for the standby that is lost
        assert connection.execute("SELECT id FROM notes ORDER BY id").fetchall() == [(1,), (2,)]
