import sys

import click

from pack_db.config import ConfigKeys
from pack_db.errors import ConfigurationError
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.interruptible import interruptible
from pack_db_daemon.cli.common.output import Output, with_output
from pack_db_daemon.cli.common.progress import progress_in_rows

_COLUMNS = ("table", "rows", "checksum", "result")


@click.command()
@click.option("--rehearse", is_flag=True, help="Copy what is there now, beside a running daemon.")
@click.option("--replace", is_flag=True, help="Delete the rows that the target has, and ask first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def move(out: Output, rehearse: bool, replace: bool, yes: bool) -> None:
    """Copy all of the SQLite database DB_PATH to PostgreSQL at DB_URL, and prove the copy.

    Accounts keep their ids and API keys, services of your own move too, and a client that sends
    a write again is answered once. All is one transaction: when it fails or is interrupted, the
    target has the rows of before. Before it is committed, all rows are read back and compared with
    what was sent, and the ledger is added up. The file at DB_PATH stays as it is.

    No daemon may be running, and it must not be started by a call: with systemd, stop the socket
    as well. Calls wait until it is back, or until their timeout. Set DB_URL for the daemon before
    it starts again.

    \b
    Examples:
      DB_URL=postgresql://pack_db@db.example.com/pack_db pack-db move --rehearse
    \b
      systemctl stop pack-db.socket pack-db.service
      pack-db move --replace
      systemctl start pack-db.socket
    """
    config = configuration()
    url = config.database_url
    if url is None:
        raise ConfigurationError(f"{ConfigKeys.DB_URL} is not set; it says where to move to")
    if replace and not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for confirmation; say --yes")

    from pack_db.configured_factory import configured_factory

    with interruptible(), configured_factory(config) as factory:
        target = factory.get_database_connection()
        question = f"Delete all rows that pack-db has in {target.location}?"
        if replace and not yes and not click.confirm(question, err=True):
            raise click.exceptions.Exit(1)
        # Only now: without psycopg, the connection has said what to install.
        from pack_db.impls.postgres.move import move as copy_and_prove

        with progress_in_rows() as progress:
            proofs = copy_and_prove(
                *(config.database_path, target, url, factory.migrations, progress),
                rehearse=rehearse,
                replace=replace,
            )
        out.rows([proofs], _COLUMNS)
        if rehearse:
            out.note(
                f"A rehearsal: what is written to {config.database_path} from now on is not in "
                f"{target.location}. To move, stop the daemon and say --replace."
            )
        else:
            out.note(
                f"All of {config.database_path} is in {target.location}. "
                "Start the daemon with DB_URL."
            )
