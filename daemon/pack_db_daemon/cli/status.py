import click

from pack_db_client import PackDb
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output


@click.command()
@with_client
def status(db: PackDb, out: Output) -> None:
    """Show what the daemon tells about itself.

    The times of the methods are those of their last 1024 calls, in the daemon.

    \b
    Examples:
      pack-db status
      pack-db status --json | jq .database.size_bytes
    """
    out.record(db.status())
