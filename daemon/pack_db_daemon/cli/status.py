import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

from pack_db_client import PackDb
from pack_db_client.protocol.daemon_service import DaemonStatus
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output

_COLUMNS = ("method", "calls", "failed", "p50_us", "p99_us")
_PROCESSES = ("pid", "user_id", "program", "connections")
_INDENT = 10
_FEWEST = 3  # rows of a table, however small the terminal is
_ENDLESS = 1_000_000


@click.command()
@with_client
def status(db: PackDb, out: Output) -> None:
    """Show what the daemon tells about itself.

    The times of the methods are those of their last 1024 calls, in the daemon. On a terminal it is
    as much as a screen has room for.

    \b
    Examples:
      pack-db status
      pack-db status --json | jq .database.size_bytes
    """
    found = db.status()
    out.lines(_lines(found), found)


def _lines(status: DaemonStatus) -> Iterator[str]:
    columns, lines = shutil.get_terminal_size() if sys.stdout.isatty() else (_ENDLESS, _ENDLESS)
    about = [
        line
        for name, text in _about(status)
        for line in textwrap.wrap(
            f"{name:<{_INDENT}}{text}",
            max(columns, 2 * _INDENT),
            subsequent_indent=_INDENT * " ",
            break_long_words=False,
            break_on_hyphens=False,  # a path is there to be copied
        )
    ]
    yield from about
    # An empty line and a header each, the line below that says what is missing, and the prompt.
    room = lines - len(about) - 7
    processes = sorted(status.processes, key=lambda process: -process.connections)
    shown = max(_FEWEST, min(len(processes), room // 3))
    more = len(processes) - shown + status.more_processes
    methods = sorted(status.methods, key=lambda method: -method.calls)
    yield from _table(methods, _COLUMNS, max(_FEWEST, room - min(shown, len(processes))))
    yield from _table(processes, _PROCESSES, shown, more)


def _about(status: DaemonStatus) -> Iterator[tuple[str, str]]:
    from pack_db_daemon.cli.common.tables import text

    database, queue = status.database, status.queue
    up, since = text("uptime_s", status.uptime_s), text("started_at", status.started_at)
    yield "pack-db", f"{status.version}, process {status.pid}, up {up}, since {since}"
    yield "socket", status.socket_path
    yield "database", database.path
    log = f", log {text('log_bytes', database.log_bytes)}" if database.log_bytes else ""
    yield "", f"{database.engine}, {text('size_bytes', database.size_bytes)}{log}"
    yield "", f"schema {database.schema_version}"
    yield "", database.durability
    yield "health", database.health
    waited = f", {queue.waited} waited" if queue.waited else ""
    most = text("max_message_bytes", status.max_message_bytes)
    yield "messages", f"{queue.messages}{waited}, of {most} at most"
    yield "clients", f"{status.connections} connection{'s'[: status.connections != 1]}"


def _table(
    rows: Sequence[Any], columns: Sequence[str], most: int, more: int | None = None
) -> Iterator[str]:
    from pack_db_daemon.cli.common.tables import lines_of_rows

    if rows:
        yield ""
        yield from lines_of_rows(rows[:most], columns)
    more = len(rows) - most if more is None else more
    if more > 0:
        yield f"and {more} more"
