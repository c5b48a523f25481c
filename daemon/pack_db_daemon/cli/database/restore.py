from dataclasses import dataclass
from pathlib import Path

import click

from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.database_file import database_file
from pack_db_daemon.cli.common.interruptible import interruptible
from pack_db_daemon.cli.common.output import Output, with_output
from pack_db_daemon.cli.common.progress import progress_in_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    database: str
    replaced: str | None  # where the database is now that was there before


@click.command()
@click.argument(
    "backup", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@with_output
def restore(out: Output, backup: Path) -> None:
    """Put a backup in the place of the database DB_PATH; no daemon may be running.

    The backup is copied and verified before anything is replaced, and what is replaced is kept
    under another name. When it is interrupted, the database is the old one or the new one, whole.

    \b
    Examples:
      systemctl stop pack-db.socket pack-db.service
      pack-db restore /srv/backups/pack-db-20270131T030000Z.db.gz
    """
    from pack_db.impls.sqlite.sqlite_restore import restore as put_in_place

    config = configuration()
    database = database_file(
        config, "restore the server with pg_restore or as its provider does it"
    )
    with interruptible(), progress_in_bytes() as progress:
        replaced = put_in_place(
            *(backup, database, progress), makes_directory=config.makes_database_directory
        )
    out.record(
        Restored(database=str(database), replaced=None if replaced is None else str(replaced))
    )
