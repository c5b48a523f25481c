from collections.abc import Iterable

import click

from pack_db.interfaces.entities.database_status import GOOD_HEALTH
from pack_db_client import PackDb
from pack_db_client.protocol.daemon_service import DaemonStatus
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output

_Sample = tuple[dict[str, str], float]


@click.command()
@with_client
def metrics(db: PackDb, out: Output) -> None:
    """Print what the daemon counts and measures as OpenMetrics text.

    The textfile collector of node_exporter reads it, too. With --json it is what 'status' prints.

    \b
    Examples:
      pack-db metrics
      pack-db metrics > pack_db.prom.new && mv pack_db.prom.new pack_db.prom
    """
    status = db.status()
    out.lines(open_metrics(status).splitlines(), status)


def open_metrics(status: DaemonStatus) -> str:
    """The OpenMetrics text, in which times are seconds, ending with its EOF."""
    database, queue, methods = status.database, status.queue, status.methods
    version = {"version": status.version, "engine": database.engine}
    families = [
        _family("build_info", "gauge", "The version that runs.", [(version, 1)]),
        _one("start_time_seconds", "When the daemon started, in Unix time.", status.started_at),
        _one("healthy", "1 if the database is in good health.", database.health == GOOD_HEALTH),
        _one("connections", "Connections that are open.", status.connections),
        _one("database_size_bytes", "The database without its log.", database.size_bytes),
        _one("database_log_size_bytes", "The write-ahead log.", database.log_bytes),
        _family("messages", "counter", "Messages that came.", [({}, queue.messages)]),
        _family("messages_waited", "counter", "Those that had to wait.", [({}, queue.waited)]),
        _family("calls", "counter", "Calls.", [({"method": m.method}, m.calls) for m in methods]),
        _family(
            "failed_calls",
            "counter",
            "Calls that were answered with an error.",
            [({"method": m.method}, m.failed) for m in methods],
        ),
        _family(
            "call_duration_seconds",
            "summary",
            "Time in the service, of the last 1024 calls.",
            [
                ({"method": m.method, "quantile": quantile}, microseconds / 1e6)
                for m in methods
                for quantile, microseconds in (("0.5", m.p50_us), ("0.99", m.p99_us))
            ],
        ),
    ]
    return "".join(families) + "# EOF"


def _one(name: str, about: str, value: float | None) -> str:
    return "" if value is None else _family(name, "gauge", about, [({}, value)])


def _family(name: str, kind: str, about: str, samples: Iterable[_Sample]) -> str:
    lines = [f"# TYPE pack_db_{name} {kind}", f"# HELP pack_db_{name} {about}"]
    suffix = "_total" if kind == "counter" else ""
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        shown = f"{{{inner}}}" if inner else ""
        lines.append(f"pack_db_{name}{suffix}{shown} {float(value)!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
