import sys

import click

from pack_db.errors import PackDbError
from pack_db_daemon.cli.serve import serve


@click.group()
def cli() -> None:
    """Share a SQLite database between the processes of this host."""


cli.add_command(serve)


def main() -> None:
    """Run the command line; every expected error is one line on stderr and an exit code."""
    try:
        cli()
    except PackDbError as error:
        click.echo(f"pack-db: {error}", err=True)
        sys.exit(1)
