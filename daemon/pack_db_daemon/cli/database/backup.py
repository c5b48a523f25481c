import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import click

from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.database_file import database_file
from pack_db_daemon.cli.common.interruptible import interruptible
from pack_db_daemon.cli.common.output import Output, with_output
from pack_db_daemon.cli.common.progress import progress_in_bytes

_NAME = "pack-db-%Y%m%dT%H%M%SZ.db"
_NAMED_SO = re.compile(r"pack-db-\d{8}T\d{6}Z\.db(\.gz)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    path: str
    size_bytes: int
    took_s: int
    removed: int  # older backups, because of --keep


@click.command()
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=1),
    help="Keep the newest N backups in the directory DEST and remove the others.",
)
@click.option("--compress", is_flag=True, help="Compress it with gzip; 'restore' reads that, too.")
@with_output
def backup(out: Output, destination: Path, keep: int | None, compress: bool) -> None:
    """Copy the database DB_PATH while its daemon serves, or while there is none.

    DEST is a directory, where the backup is named for the time in UTC, or a new file. The copy
    is the database at one moment. It appears under its name when it is whole, verified and on
    the disk; a backup that is interrupted leaves nothing. A server at DB_URL has tools of its own,
    such as pg_dump.

    \b
    Examples:
      pack-db backup /srv/backups
      pack-db backup /srv/backups --keep 14 --compress
      pack-db backup before-the-upgrade.db
    """
    from pack_db.impls.sqlite.sqlite_backup import back_up

    database = database_file(
        configuration(), "back the server up with pg_dump or as its provider does it"
    )
    into_directory = destination.is_dir()
    if keep is not None and not into_directory:
        raise click.UsageError("--keep needs a DEST that is a directory")
    name = time.strftime(_NAME, time.gmtime()) + (".gz" if compress else "")
    path = (destination / name if into_directory else destination).absolute()
    os.nice(19)  # the daemon's callers go first
    started = time.monotonic()
    with interruptible(), progress_in_bytes() as progress:
        back_up(database, path, progress, compress=compress)
    out.record(
        Backup(
            path=str(path),
            size_bytes=path.stat().st_size,
            took_s=int(time.monotonic() - started),
            removed=0 if keep is None else _rotate(destination, keep),
        )
    )


def _rotate(directory: Path, keep: int) -> int:
    backups = sorted(path for path in directory.iterdir() if _NAMED_SO.fullmatch(path.name))
    for path in backups[:-keep]:
        path.unlink()
    return len(backups[:-keep])
