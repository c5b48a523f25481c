from abc import ABC, abstractmethod
from dataclasses import dataclass

from pack_db.interfaces.entities.database_status import DatabaseStatus
from pack_db.interfaces.query import query

DAEMON_SERVICE = "daemon"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """How many messages came while the daemon was busy."""

    messages: int  # since the daemon started
    waited: int  # of those, how many were there before the daemon was ready for them


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedProcess:
    """A process that is connected at the moment."""

    pid: int  # of the process that connected; 0 where it is in a PID namespace of its own
    user_id: int  # numeric, its effective one when it connected
    program: str | None  # what it runs; None if it has gone, or is hidden from the daemon
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodStatistics:
    """How often a method was called, and how long it took."""

    method: str
    calls: int  # since the daemon started
    failed: int  # of those, how many were answered with an error
    p50_us: float  # microseconds in the service, of the last 1024 calls
    p99_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """What the daemon tells about itself."""

    version: str
    pid: int
    started_at: int  # whole Unix seconds
    uptime_s: int
    socket_path: str
    max_message_bytes: int  # of a request, and of a reply
    database: DatabaseStatus
    queue: QueueStatus
    methods: list[MethodStatistics]  # those that were called, by name
    connections: int  # open at the moment, this one included
    processes: list[ConnectedProcess]  # the 20 with most connections
    more_processes: int  # connected as well, but not in the list


class DaemonService(ABC):
    """What the daemon tells about itself, served like any other service."""

    @abstractmethod
    @query
    def ping(self) -> str:
        """The version of pack-db that the daemon runs."""

    @abstractmethod
    @query
    def status(self) -> DaemonStatus:
        """How the daemon, its database and its callers are."""


class AsyncDaemonService(ABC):
    """`DaemonService` for asyncio: the same methods, arguments, results and errors."""

    @abstractmethod
    @query
    async def ping(self) -> str: ...

    @abstractmethod
    @query
    async def status(self) -> DaemonStatus: ...
