from collections.abc import Mapping
from pathlib import Path

import apsw
import peewee
from playhouse.apsw_ext import APSWDatabase

from pack_db.impls.migrations.runner import MigrationRunner
from pack_db.impls.sqlite import sqlite_file
from pack_db.impls.sqlite.sqlite_errors import translated


def applied_and_pending(path: Path, migrations: Mapping[str, Path]) -> tuple[list[str], list[str]]:
    """As `DatabaseConnection.applied_and_pending`, of the SQLite database at `path`.

    Only reads, beside a running daemon too, so it does without the lock.

    Args:
        migrations: as `ServiceFactory.migrations`.

    Raises:
        ConfigurationError: there are no migrations where they should be.
        WrongDatabase: the file is not pack-db's.
        StorageError: the file cannot be read.
    """
    path = sqlite_file.real_path(path)
    if path.exists():
        sqlite_file.prepare(path)
        database = APSWDatabase(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    else:
        database = APSWDatabase(":memory:")
    try:
        runner = MigrationRunner(database, migrations)
        return runner.applied(), runner.pending()
    except (peewee.PeeweeException, apsw.Error) as exc:
        raise translated(exc) from exc
    finally:
        database.close()
