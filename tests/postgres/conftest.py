from collections.abc import Callable, Iterator

import pytest

from tests.support.postgres_server import (
    PostgresPair,
    PostgresServer,
    running_pair,
    running_postgres,
)


@pytest.fixture(scope="session")
def new_database(shared_postgres: PostgresServer) -> Callable[[], str]:
    """Makes an empty database and returns its URL."""
    return shared_postgres.new_database


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, to stop and to kill."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_pair() -> Iterator[PostgresPair]:
    """A primary and its synchronous standby, of the test's own."""
    with running_pair() as pair:
        yield pair
