import sys
from contextlib import suppress

import click

import pack_db
from pack_db.errors import InvalidInput
from pack_db_daemon.cli.common.failure import (
    EXIT_CODES_AND_OUTPUT,
    INTERRUPTED,
    error_as_json,
    failures_shown,
)
from pack_db_daemon.cli.common.standard_streams import finish_streams, prepare_streams
from pack_db_daemon.cli.completion import completion
from pack_db_daemon.cli.config import config
from pack_db_daemon.cli.database.backup import backup
from pack_db_daemon.cli.database.check import check
from pack_db_daemon.cli.database.migrate import migrate
from pack_db_daemon.cli.database.move import move
from pack_db_daemon.cli.database.restore import restore
from pack_db_daemon.cli.metrics import metrics
from pack_db_daemon.cli.ping import ping
from pack_db_daemon.cli.serve import serve
from pack_db_daemon.cli.services.accounts import accounts
from pack_db_daemon.cli.services.call import call
from pack_db_daemon.cli.services.stubs import stubs
from pack_db_daemon.cli.services.tokens import tokens
from pack_db_daemon.cli.status import status
from pack_db_daemon.cli.top.top_command import top
from pack_db_daemon.cli.transfer.export import export
from pack_db_daemon.cli.transfer.import_ import import_


@click.group(
    epilog=EXIT_CODES_AND_OUTPUT,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(pack_db.__version__, "-V", "--version", message="%(prog)s %(version)s")
def cli() -> None:
    """Share a SQLite database between the processes of this host.

    One process runs 'pack-db serve'. The other commands call it through its socket, but 'migrate',
    'backup', 'restore' and 'check', which work on the database file.

    \b
    Examples:
      pack-db serve
      pack-db status
      pack-db top
      pack-db accounts create user@example.com --plan Pro
      pack-db tokens consume user@example.com 120
      pack-db call tokens.get_balance account_id=01932c07-9d3e-7c55-8a2f-3f5d0c9b1e42
    """


for command in (
    *(serve, ping, status, top, metrics, config, call, accounts, tokens, migrate, move),
    *(backup, restore, check, export, import_, stubs, completion),
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; every expected error is one line on stderr and an exit code."""
    prepare_streams()
    try:
        exit_code = _exit_code_of(sys.argv[1:])
    finally:
        arrived = finish_streams()
    sys.exit(exit_code if arrived else exit_code or 1)


def _exit_code_of(arguments: list[str]) -> int:
    try:
        # Such as of a help text that cannot be written.
        with failures_shown(as_json="--json" in arguments):
            for argument in arguments:
                _require_text(argument)
            return cli.main(prog_name="pack-db", standalone_mode=False) or 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        with suppress(OSError):
            if "--json" in arguments:
                click.echo(error_as_json("usage", error.format_message(), {}), err=True)
            else:
                error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED


def _require_text(argument: str) -> None:
    try:
        argument.encode()
    except UnicodeEncodeError as exc:
        # Neither SQLite nor ZeroMQ nor a message could have it.
        raise InvalidInput(f"an argument is not in UTF-8: {argument!r}") from exc
