from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from pack_db_client import PackDb
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.output import JsonOutput, Output
from pack_db_daemon.cli.common.progress import progress_in_bytes
from pack_db_daemon.cli.transfer.account_importer import (
    AccountImporter,
    AccountRow,
    Outcome,
    Refused,
)
from pack_db_daemon.cli.transfer.row_files import FORMATS, Line, read_rows

_MOST_AT_ONCE = 200  # rows in a message
_ROW_BYTES = 2048  # of a message or a reply, at most, for one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    rows: int
    imported: int
    already_there: int
    refused: int
    dry_run: bool


@click.group(name="import")
def import_() -> None:
    """Put accounts into the database, from JSON Lines or CSV.

    Rows go through the services, so ids, API keys and times are new. A row that cannot be
    imported is reported on stderr with its line and the reason, and the others go on; the exit
    code is 1 then. What was interrupted is given again: rows that are there already are passed.
    To move a whole database with its ledger, use 'backup' and 'restore'.
    """


@import_.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="[default: csv for a file named so, else jsonl]",
)
@click.option("--dry-run", is_flag=True, help="Only say what would become of the rows.")
@with_client
def accounts(db: PackDb, out: Output, file: BinaryIO, form: str | None, dry_run: bool) -> None:
    """Open accounts with the balance and the status they have in FILE, or stdin for "-".

    Fields: email, plan_name, token_remaining, topup_remaining, status (1 active, 0 inactive); all
    but email may be missing.

    \b
    Examples:
      pack-db import accounts accounts.jsonl --dry-run
      pack-db import accounts accounts.csv
    """
    importer = AccountImporter(db, dry_run=dry_run)
    form = form or ("csv" if file.name.endswith(".csv") else "jsonl")
    size = Path(file.name).stat().st_size if Path(file.name).is_file() else 0
    at_once = min(_MOST_AT_ONCE, configuration().max_message_bytes // _ROW_BYTES)
    counts = {Outcome.IMPORTED: 0, Outcome.ALREADY_THERE: 0, Refused: 0}
    with progress_in_bytes() as progress:
        for lines in _chunks(read_rows(file, AccountRow, form), at_once):
            for number, outcome in _take(importer, lines):
                if isinstance(outcome, Refused):
                    counts[Refused] += 1
                    _report(number, outcome.reason, as_json=isinstance(out, JsonOutput))
                else:
                    counts[outcome] += 1
            if file.seekable():
                progress("importing", file.tell(), size)
    out.record(
        Imported(
            rows=sum(counts.values()),
            imported=counts[Outcome.IMPORTED],
            already_there=counts[Outcome.ALREADY_THERE],
            refused=counts[Refused],
            dry_run=dry_run,
        )
    )
    if counts[Refused]:
        raise click.exceptions.Exit(1)


def _take(
    importer: AccountImporter, lines: list[Line[AccountRow]]
) -> Iterator[tuple[int, Outcome | Refused]]:
    rows = [line.row for line in lines if line.row is not None]
    outcomes = iter(importer.take(rows) if rows else ())
    for line in lines:
        yield line.number, Refused(line.problem) if line.row is None else next(outcomes)


def _report(number: int, reason: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode({"line": number, "reason": reason}), err=True)
    else:
        click.echo(f"line {number}: {reason}", err=True)


def _chunks(lines: Iterable[Line[AccountRow]], size: int) -> Iterator[list[Line[AccountRow]]]:
    iterator = iter(lines)
    while chunk := list(islice(iterator, size)):
        yield chunk
