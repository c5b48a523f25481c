"""A daemon that kills itself between the commit of a write and its reply, but only once.

Run as `python crashing_daemon.py TRIGGER` in place of `pack-db serve`: it happens while the
file TRIGGER exists, and removes it.
"""

import os
import signal
import sys
from pathlib import Path

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db_daemon.daemon import serve


def crashing_daemon_command(trigger: Path) -> list[str]:
    return [sys.executable, __file__, str(trigger)]


class _CrashingDatabase(DatabaseConnection):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._commit = self._engine.commit
        self._engine.commit = self._commit_and_crash  # type: ignore[method-assign]
        self._changes = 0

    def _commit_and_crash(self) -> None:
        self._commit()
        before, self._changes = self._changes, self._count_changes()
        trigger = Path(sys.argv[1])
        # The daemon's housekeeping has empty transactions, too; those are not meant.
        if self._changes > before and trigger.exists():
            trigger.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def _count_changes(self) -> int:
        return int(self.execute("SELECT total_changes()")[0][0])


class _Factory(ServiceFactory):
    def get_database_connection(self) -> DatabaseConnection:
        if self._database_connection is None:
            self._database_connection = _CrashingDatabase(self.get_config())
        return self._database_connection


if __name__ == "__main__":
    try:
        serve(_Factory.get_instance())
    finally:
        ServiceFactory.reset()
