import os
import time
from collections.abc import Callable
from pathlib import Path

import pack_db
from pack_db.interfaces.database import Database
from pack_db_client.protocol.daemon_service import DaemonService, DaemonStatus
from pack_db_daemon.call_statistics import CallStatistics


class LocalDaemonService(DaemonService):
    """
    Args:
        count_connections: how many are open now.
    """

    def __init__(
        self,
        database: Database,
        statistics: CallStatistics,
        socket_path: Path,
        count_connections: Callable[[], int],
    ) -> None:
        self._database = database
        self._statistics = statistics
        self._socket_path = socket_path
        self._count_connections = count_connections
        self._started_at = int(time.time())
        self._started = time.monotonic()

    def ping(self) -> str:
        return pack_db.__version__

    def status(self) -> DaemonStatus:
        return DaemonStatus(
            version=pack_db.__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=int(time.monotonic() - self._started),
            socket_path=str(self._socket_path),
            connections=self._count_connections(),
            database=self._database.status(),
            methods=self._statistics.summary(),
        )
