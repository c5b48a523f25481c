from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import click

from pack_db.interfaces.entities.account import Account
from pack_db_client import PackDb
from pack_db_daemon.cli.common.all_rows import all_accounts, all_entries, with_accounts
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output
from pack_db_daemon.cli.common.progress import progress_in_rows
from pack_db_daemon.cli.transfer.row_files import FORMATS, write_rows

Row = TypeVar("Row")

_SHOWN_EVERY = 100  # rows

_format = click.option(
    "--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """An entry of the ledger, and what tells its account elsewhere."""

    email: str
    plan_name: str
    account_id: str
    number: int
    kind: str
    amount: int
    token_remaining: int
    topup_remaining: int
    created_at: int


@click.group()
def export() -> None:
    """Write accounts or the ledger to stdout, as JSON Lines or CSV.

    Rows are read page by page while others write, so they are not all of one moment; the copy
    that 'pack-db backup' makes is. API keys are stored nowhere, so no export has them.
    """


@export.command()
@_format
@with_client
def accounts(db: PackDb, out: Output, form: str) -> None:
    """Write all accounts, oldest first.

    \b
    Examples:
      pack-db export accounts > accounts.jsonl
      pack-db export accounts --format csv > accounts.csv
    """
    write_rows(_counted(all_accounts(db)), Account, form)


@export.command()
@_format
@with_client
def ledger(db: PackDb, out: Output, form: str) -> None:
    """Write the entries of all accounts, those of an account together and oldest first.

    \b
    Example:
      pack-db export ledger | gzip > ledger.jsonl.gz
    """
    write_rows(_counted(_ledger_rows(db)), LedgerRow, form)


def _ledger_rows(db: PackDb) -> Iterator[LedgerRow]:
    for account, entry in with_accounts(all_entries(db), all_accounts(db)):
        yield LedgerRow(
            email=account.email,
            plan_name=account.plan_name,
            account_id=entry.account_id,
            number=entry.number,
            kind=entry.kind,
            amount=entry.amount,
            token_remaining=entry.token_remaining,
            topup_remaining=entry.topup_remaining,
            created_at=entry.created_at,
        )


def _counted(rows: Iterable[Row]) -> Iterator[Row]:
    with progress_in_rows() as progress:
        for number, row in enumerate(rows, 1):
            yield row
            if number % _SHOWN_EVERY == 0:
                progress("exporting", number, 0)
