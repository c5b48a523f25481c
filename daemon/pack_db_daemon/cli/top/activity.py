import time
from dataclasses import dataclass, replace

from pack_db.interfaces.entities.database_status import DatabaseStatus
from pack_db_client import PackDb
from pack_db_client.protocol.daemon_service import ConnectedProcess, DaemonStatus
from pack_db_daemon.dispatch.program_name import program_name


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodActivity:
    method: str
    calls_per_second: float
    failed_per_second: float  # of those, how many were answered with an error
    p50_us: float  # microseconds in the service, of the last 1024 calls
    p99_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a daemon does, of two looks at its status."""

    version: str
    pid: int
    uptime_s: int
    measured_s: float  # between the looks
    calls_per_second: float
    messages_per_second: float
    waited: float  # part of the messages that were there before the daemon was ready for them
    connections: int
    database: DatabaseStatus
    methods: list[MethodActivity]  # most calls first
    processes: list[ConnectedProcess]
    more_processes: int


class Look:
    """The daemon's status at one moment."""

    def __init__(self, db: PackDb) -> None:
        self._status = db.status()
        self._at = time.monotonic()

    def activity_since(self, before: "Look") -> Activity | None:
        """None if the daemon was restarted meanwhile, so that its counts began anew."""
        now, then = self._status, before._status
        if (now.pid, now.started_at) != (then.pid, then.started_at):
            return None
        measured_s = self._at - before._at
        calls = sum(m.calls for m in now.methods) - sum(m.calls for m in then.methods)
        messages = now.queue.messages - then.queue.messages
        waited = now.queue.waited - then.queue.waited
        return Activity(
            version=now.version,
            pid=now.pid,
            uptime_s=now.uptime_s,
            measured_s=round(measured_s, 3),
            calls_per_second=round(calls / measured_s, 1),
            messages_per_second=round(messages / measured_s, 1),
            waited=round(waited / messages, 3),  # there is one at least, that of this look
            connections=now.connections,
            database=now.database,
            methods=_methods(now, then, measured_s),
            processes=[_named(process) for process in now.processes],
            more_processes=now.more_processes,
        )


def measure(db: PackDb, seconds: float) -> Activity:
    """What the daemon does in so long; measured anew if it is restarted meanwhile."""
    activity = None
    after = Look(db)
    while activity is None:
        before = after
        time.sleep(seconds)
        after = Look(db)
        activity = after.activity_since(before)
    return activity


def _methods(now: DaemonStatus, then: DaemonStatus, measured_s: float) -> list[MethodActivity]:
    earlier = {statistics.method: statistics for statistics in then.methods}
    methods = []
    for later in now.methods:
        calls, failed = later.calls, later.failed
        if later.method in earlier:
            calls -= earlier[later.method].calls
            failed -= earlier[later.method].failed
        methods.append(
            MethodActivity(
                method=later.method,
                calls_per_second=round(calls / measured_s, 1),
                failed_per_second=round(failed / measured_s, 1),
                p50_us=later.p50_us,
                p99_us=later.p99_us,
            )
        )
    return sorted(methods, key=lambda method: -method.calls_per_second)


def _named(process: ConnectedProcess) -> ConnectedProcess:
    if process.program is not None:
        return process
    # The daemon's unit hides other users' processes from it (ProtectProc=), but not from this one.
    return replace(process, program=program_name(process.pid))
