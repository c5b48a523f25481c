"""What works on the database itself, done by a user who may not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pack_db.config import Config
from pack_db.errors import StorageError
from pack_db.impls.migrations.runner import MIGRATIONS
from pack_db.impls.service_factory import ServiceFactory
from pack_db.impls.sqlite.schema_status import applied_and_pending
from pack_db.impls.sqlite.sqlite_backup import back_up
from pack_db.impls.sqlite.sqlite_check import check_database
from pack_db.impls.sqlite.sqlite_restore import restore
from tests.exactly_once.child import as_nobody, needs_root


def no_progress(doing: str, done: int, total: int) -> None:
    pass


WORK: dict[str, Callable[[Path], object]] = {
    "check": lambda path: list(check_database(path)),
    "migrate status": lambda path: applied_and_pending(path, MIGRATIONS),
    "open": lambda path: ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection(),
    "backup": lambda path: back_up(path, path.with_name("backup.db"), no_progress),
    "restore": lambda path: restore(path.with_name("given.db"), path, no_progress),
}


@needs_root
@pytest.mark.parametrize("closed", ["file", "directory"])
@pytest.mark.parametrize("work", WORK)
def test_a_user_without_permission_is_told_so_in_one_line(
    short_path: Path, work: str, closed: str
) -> None:
    path = short_path / "pack.db"
    database = ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
    database.run_migrations()
    database.close()
    path.with_name("given.db").write_bytes(path.read_bytes())
    path.with_name("given.db").chmod(0o600)
    short_path.chmod(0o700 if closed == "directory" else 0o777)

    def told() -> str:
        try:
            WORK[work](path)
        except StorageError as error:
            return str(error)
        return "done"

    message = as_nobody(told)
    assert "Permission denied" in message
    assert str(short_path) in message
    assert "\n" not in message
