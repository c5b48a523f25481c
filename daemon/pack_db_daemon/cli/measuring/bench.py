import click

from pack_db_daemon.cli.common.interruptible import interruptible
from pack_db_daemon.cli.common.output import Output, with_output


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=2.0,
    show_default=True,
    help="How long to measure each of nine loads.",
)
@with_output
def bench(out: Output, seconds: float) -> None:
    """Measure how fast pack-db is here, with a daemon and a database of its own.

    The database is made beside DB_PATH if that directory is there, so that the same disk is
    measured, and removed afterwards. The latencies are those of one client that writes.

    \b
    Examples:
      pack-db bench
      pack-db bench --seconds 10 --json > before.json
    """
    # Imported here, as all commands would wait for what this one alone needs.
    from pack_db_daemon.cli.measuring.benchmark import measure

    with interruptible():
        result = measure(seconds)
    out.record(result, bars="calls")
