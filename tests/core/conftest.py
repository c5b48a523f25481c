from collections.abc import Iterator

import pytest

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection


@pytest.fixture
def database(config: Config) -> Iterator[DatabaseConnection]:
    """An open database with the newest schema."""
    database = DatabaseConnection(config)
    database.run_migrations()
    yield database
    database.close()
