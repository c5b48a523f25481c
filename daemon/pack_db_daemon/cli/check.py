import click

from pack_db.config import Config
from pack_db_daemon.cli.output import Output, with_output

_COLUMNS = ("check", "result", "detail")


@click.command()
@with_output
def check(out: Output) -> None:
    """Look for everything that may be wrong with the database DB_PATH; only reads.

    It works beside a running daemon, too. The exit code is 0 if all is well, 1 if something is
    wrong, and 5 if there is no database to look at.

    \b
    Examples:
      pack-db check
      pack-db check --json | jq -r '.[] | select(.result == "fault").detail'
    """
    from pack_db.impls.database_check import check_database

    checks = list(check_database(Config().database_path))
    out.rows([checks], _COLUMNS)
    if any(found.result == "fault" for found in checks):
        raise click.exceptions.Exit(1)
