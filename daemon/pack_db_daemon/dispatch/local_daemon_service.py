import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pack_db
from pack_db.interfaces.database import Database
from pack_db_client.protocol.daemon_service import (
    ConnectedProcess,
    DaemonService,
    DaemonStatus,
    QueueStatus,
)
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.program_name import program_name
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.accepted_connection import Peer

_LISTED = 20  # processes; a reply must have room for them even at the least MAX_MESSAGE_BYTES


class LocalDaemonService(DaemonService):
    """
    Args:
        peers: who made each connection that is open now.
    """

    def __init__(
        self,
        database: Database,
        calls: CallStatistics,
        queue: QueueStatistics,
        socket_path: Path,
        max_message_bytes: int,
        peers: Callable[[], list[Peer | None]],
    ) -> None:
        self._database = database
        self._calls = calls
        self._queue = queue
        self._socket_path = socket_path
        self._max_message_bytes = max_message_bytes
        self._peers = peers
        self._started_at = int(time.time())
        self._started = time.monotonic()

    def ping(self) -> str:
        return pack_db.__version__

    def status(self) -> DaemonStatus:
        peers = self._peers()
        by_process = Counter(peer for peer in peers if peer is not None)
        return DaemonStatus(
            version=pack_db.__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            uptime_s=int(time.monotonic() - self._started),
            socket_path=str(self._socket_path),
            max_message_bytes=self._max_message_bytes,
            database=self._database.status(),
            queue=QueueStatus(messages=self._queue.messages, waited=self._queue.waited),
            methods=self._calls.summary(),
            connections=len(peers),
            processes=[
                ConnectedProcess(
                    pid=peer.pid,
                    user_id=peer.user_id,
                    program=program_name(peer.pid),
                    connections=connections,
                )
                for peer, connections in by_process.most_common(_LISTED)
            ],
            more_processes=max(0, len(by_process) - _LISTED),
        )
