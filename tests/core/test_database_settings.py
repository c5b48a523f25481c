import threading
from contextlib import closing

import pytest

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory


def pragma(database: DatabaseConnection, name: str) -> object:
    [(value,)] = database.execute(f"PRAGMA {name}")
    return value


def test_sqlite_is_new_enough_to_be_free_of_the_wal_race(database: DatabaseConnection) -> None:
    [(version,)] = database.execute("SELECT sqlite_version()")
    assert tuple(map(int, version.split("."))) >= (3, 51, 3)


def test_the_pragmas_are_what_durability_needs(database: DatabaseConnection) -> None:
    assert pragma(database, "journal_mode") == "wal"
    assert pragma(database, "synchronous") == 2
    assert pragma(database, "foreign_keys") == 1
    assert pragma(database, "application_id") == int.from_bytes(b"pack")


@pytest.mark.parametrize(("name", "number"), [("NORMAL", 1), ("FULL", 2), ("EXTRA", 3)])
def test_synchronous_is_as_configured(config: Config, name: str, number: int) -> None:
    settings = {"DB_PATH": str(config.database_path), "DB_SYNCHRONOUS": name}
    with closing(ServiceFactory(Config(settings))) as factory:
        assert pragma(factory.get_database_connection(), "synchronous") == number


def test_the_pragmas_hold_in_every_thread(database: DatabaseConnection) -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(pragma(database, "foreign_keys")))
    thread.start()
    thread.join()
    assert found == [1]
