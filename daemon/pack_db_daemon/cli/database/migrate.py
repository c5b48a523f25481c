from dataclasses import dataclass

import click

from pack_db.config import Config
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.output import Output, with_output

_COLUMNS = ("name", "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    name: str
    state: str  # "applied" or "pending"


@click.group()
def migrate() -> None:
    """Look at the database's schema, or upgrade it.

    'pack-db serve' applies what is pending when it starts, so this is needed only to see
    beforehand what it would do, or to do it at another time. It works on the file DB_PATH, or on
    the server DB_URL.
    """


@migrate.command()
@with_output
def status(out: Output) -> None:
    """Show which migrations are applied; only reads, also beside a running daemon.

    \b
    Examples:
      pack-db migrate status
      pack-db migrate status --json | jq -r '.[] | select(.state == "pending").name'
    """
    out.rows([_migrations(configuration())], _COLUMNS)


@migrate.command()
@with_output
def up(out: Output) -> None:
    """Apply what is pending, each migration in a transaction.

    No daemon may have the file open. On a server, daemons may be running; whether those of an
    older version go on with the new schema is said in the changelog.

    \b
    Examples:
      pack-db migrate up
      DB_PATH=/srv/copy.db pack-db migrate up
    """
    from pack_db.configured_factory import configured_factory

    with configured_factory(configuration()) as factory:
        names = factory.get_database_connection().run_migrations()
    out.rows([[Migration(name=name, state="applied") for name in names]], _COLUMNS)
    if not names:
        out.note("The schema is the newest already.")


def _migrations(config: Config) -> list[Migration]:
    from pack_db.configured_factory import configured_factory
    from pack_db.impls.sqlite.schema_status import applied_and_pending

    with configured_factory(config) as factory:
        if config.database_url is None:
            # Without the connection that is for one process only, a daemon may go on.
            applied, pending = applied_and_pending(config.database_path, factory.migrations)
        else:
            applied, pending = factory.get_database_connection().applied_and_pending()
    return [
        *(Migration(name=name, state="applied") for name in applied),
        *(Migration(name=name, state="pending") for name in pending),
    ]
