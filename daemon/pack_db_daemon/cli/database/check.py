from typing import TYPE_CHECKING

import click

from pack_db.config import Config
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.output import Output, with_output

if TYPE_CHECKING:
    from pack_db.impls.sqlite.sqlite_check import Check

_COLUMNS = ("check", "result", "detail")


@click.command()
@with_output
def check(out: Output) -> None:
    """Look for everything that may be wrong with the database; only reads.

    It works beside a running daemon, too. Of the file DB_PATH all is checked; of a server at
    DB_URL its durability, the schema and the ledger, as its files are its own affair. The exit
    code is 0 if all is well, 1 if something is wrong, and 5 if there is no database to look at.

    \b
    Examples:
      pack-db check
      pack-db check --json | jq -r '.[] | select(.result == "fault").detail'
    """
    checks = _checks(configuration())
    out.rows([checks], _COLUMNS)
    if any(found.result == "fault" for found in checks):
        raise click.exceptions.Exit(1)


def _checks(config: Config) -> "list[Check]":
    from pack_db.configured_factory import configured_factory, factory_class
    from pack_db.impls.sqlite.schema_status import applied_and_pending
    from pack_db.impls.sqlite.sqlite_check import check_database

    if config.database_url is None:
        checks = list(check_database(config.database_path))
        applied = applied_and_pending(config.database_path, factory_class(config).migrations)
        return checks + _of_services(*applied)
    with configured_factory(config) as factory:
        database = factory.get_database_connection()
        # Only now: without psycopg, the connection has said what to install.
        from pack_db.impls.postgres.postgres_check import check_server

        return list(check_server(database)) + _of_services(*database.applied_and_pending())


def _of_services(applied: list[str], pending: list[str]) -> "list[Check]":
    """The migrations of the packages that SERVICE_FACTORY names; theirs are known by a slash."""
    from pack_db.impls.sqlite.sqlite_check import Check

    waiting = [name for name in pending if "/" in name]
    done = [name for name in applied if "/" in name]
    if waiting:
        detail = f"{', '.join(waiting)} will be applied when the daemon starts"
    elif done:
        detail = f"as of {', '.join(done)}"
    else:
        return []
    return [Check(check="services", result="ok", detail=detail)]
