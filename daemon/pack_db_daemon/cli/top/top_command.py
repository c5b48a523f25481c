import sys

import click

from pack_db_client import PackDb
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.interruptible import interruptible
from pack_db_daemon.cli.common.output import Output, TextOutput
from pack_db_daemon.cli.top.activity import measure


@click.command()
@click.option("--once", is_flag=True, help="Measure one interval, print it and end.")
@click.option(
    "--interval",
    "interval_s",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    help="How long to measure, and how often to show it.",
)
@with_client
def top(db: PackDb, out: Output, once: bool, interval_s: float) -> None:
    """Watch what the daemon does, as htop does for a machine.

    It shows the calls a second and how long they take by method, how many messages had to wait
    for the daemon, which processes are connected, and the size of the database. The times are
    those of each method's last 1024 calls, in the daemon.

    Keys: m, c, f, 5 and 9 sort by method, calls, failed calls, p50 and p99; q quits. When the
    daemon is gone, or does not answer within the interval (1 s at least), the view says so and
    goes on trying. With --json, or where input or output is no terminal, it is as with --once.

    \b
    Examples:
      pack-db top
      pack-db top --interval 5
      pack-db top --once --json | jq .calls_per_second
    """
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if once or not at_terminal or not isinstance(out, TextOutput):
        out.record(measure(db, interval_s))
        return
    # Imported here, as all commands would wait for what this one alone needs.
    from pack_db_daemon.cli.top.live_view import watch

    with interruptible():
        watch(db, interval_s)
