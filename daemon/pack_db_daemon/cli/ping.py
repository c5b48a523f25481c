import time
from dataclasses import dataclass

import click

from pack_db_client import PackDb
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    version: str
    round_trip_us: float


@click.command()
@with_client
def ping(db: PackDb, out: Output) -> None:
    """Ask the daemon whether it answers, and how fast.

    The exit code is 0 when it does, for a health check.

    \b
    Examples:
      pack-db ping
      pack-db ping --timeout 1 --json
    """
    version = db.ping()  # connects, too
    began_ns = time.perf_counter_ns()
    db.ping()
    round_trip_us = (time.perf_counter_ns() - began_ns) / 1000
    out.record(Answer(version=version, round_trip_us=round_trip_us))
