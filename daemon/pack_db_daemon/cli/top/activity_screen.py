"""What fills the terminal of `pack-db top`."""

import pwd
from typing import Literal

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.table import Table
from rich.text import Text

from pack_db.interfaces.entities.database_status import GOOD_HEALTH
from pack_db_client.protocol.daemon_service import ConnectedProcess
from pack_db_daemon.cli.common.tables import text
from pack_db_daemon.cli.top.activity import Activity, MethodActivity

MOST_CALLS_FIRST = "c"
SORT_KEYS = {
    "m": ("method", "METHOD"),
    MOST_CALLS_FIRST: ("calls_per_second", "CALLS/S"),
    "f": ("failed_per_second", "FAILED/S"),
    "5": ("p50_us", "P50"),
    "9": ("p99_us", "P99"),
}
"""Key -> the field of a method that it sorts by, and its heading."""


def activity_screen(seen: Activity | str, sort_key: str) -> RenderableType:
    """
    Args:
        seen: or in words why nothing was.
        sort_key: one of SORT_KEYS.
    """
    screen = Layout()
    body = Text(seen) if isinstance(seen, str) else _activity(seen, sort_key)
    screen.split_column(Layout(body), Layout(_keys(), size=1))  # the last line is never cut off
    return screen


def _activity(seen: Activity, sort_key: str) -> RenderableType:
    return Group(
        _summary(seen),
        "",
        _methods(seen.methods, sort_key),
        "",
        _processes(seen.processes),
        f"and {seen.more_processes} more" if seen.more_processes else "",
    )


def _summary(seen: Activity) -> RenderableType:
    database = seen.database
    summary = Table.grid(padding=(0, 2, 0, 0))
    summary.add_column(style="bold")
    up = text("uptime_s", seen.uptime_s)
    lines = {
        "daemon": f"pack-db {seen.version}, process {seen.pid}, up {up}",
        "calls": f"{seen.calls_per_second:,.0f}/s in {seen.messages_per_second:,.0f} messages/s",
        "queue": f"{seen.waited:.0%} of the messages had to wait",
        "database": text("size_bytes", database.size_bytes),
        "connections": str(seen.connections),
    }
    if database.log_bytes is not None:
        lines["database"] += f", and its log {text('log_bytes', database.log_bytes)}"
    for label, line in lines.items():
        summary.add_row(label, line)
    if database.health != GOOD_HEALTH:
        summary.add_row("health", Text(database.health, style="bold red"))
    return summary


def _methods(methods: list[MethodActivity], sort_key: str) -> RenderableType:
    field, _ = SORT_KEYS[sort_key]
    # Sorted by name first, so that equal ones do not change places.
    by_name = sorted(methods, key=lambda method: method.method)
    ordered = sorted(by_name, key=lambda m: getattr(m, field), reverse=field != "method")
    table = _table()
    for key, (name, heading) in SORT_KEYS.items():
        justify: Literal["left", "right"] = "left" if name == "method" else "right"
        style = "bold reverse" if key == sort_key else "bold"
        table.add_column(Text(heading, style=style), justify=justify, no_wrap=True)
    for method in ordered:
        table.add_row(
            method.method,
            f"{method.calls_per_second:,.1f}",
            f"{method.failed_per_second:,.1f}",
            text("p50_us", method.p50_us),
            text("p99_us", method.p99_us),
        )
    return table


def _processes(processes: list[ConnectedProcess]) -> RenderableType:
    table = _table()
    for heading in ("CONNECTIONS", "PID"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("USER", "PROGRAM"):
        table.add_column(heading, no_wrap=True)
    for process in processes:
        table.add_row(
            str(process.connections),
            str(process.pid),
            _user_name(process.user_id),
            text("program", process.program),
        )
    return table


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))


def _user_name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _keys() -> RenderableType:
    keys = Text("sort by")
    for key, (_, heading) in SORT_KEYS.items():
        keys.append(f"  {key}", style="bold").append(f" {heading.lower()}")
    return keys.append("   q", style="bold").append(" quit")
