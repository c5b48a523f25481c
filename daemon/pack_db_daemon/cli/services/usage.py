from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import click

from pack_db.interfaces.entities.account import Account
from pack_db.interfaces.entities.token import LedgerEntry
from pack_db_client import PackDb
from pack_db_daemon.cli.common.account_argument import find_account
from pack_db_daemon.cli.common.all_rows import (
    all_accounts,
    all_entries,
    entries_of,
    with_accounts,
)
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output
from pack_db_daemon.cli.common.progress import progress_in_rows

_SHOWN_EVERY = 500  # entries


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUsage:
    account_id: str
    email: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage:
    day: str  # of the local time
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    tokens: int
    by_account: list[AccountUsage]  # most first; only those that consumed any
    by_day: list[DayUsage]  # oldest first; only days with any


@click.command()
@click.argument("account", required=False)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Count from the start of this day on, in local time. [default: all]",
)
@click.option("--top", metavar="N", type=click.IntRange(min=1), help="Only the N largest accounts.")
@with_client
def usage(
    db: PackDb, out: Output, account: str | None, since: datetime | None, top: int | None
) -> None:
    """Show the tokens consumed, by account and by day, of one ACCOUNT or of all.

    It reads the ledger page by page, half a minute for a million entries.

    \b
    Examples:
      pack-db tokens usage
      pack-db tokens usage user@example.com --since 2027-01-01
      pack-db tokens usage --top 10 --json | jq '.by_account[].email'
    """
    start = 0 if since is None else since.timestamp()
    by_account: Counter[str] = Counter()
    emails: dict[str, str] = {}
    by_day: Counter[str] = Counter()
    with progress_in_rows() as progress:
        for read, (found, entry) in enumerate(_entries(db, account), 1):
            if entry.kind == "consumption" and entry.created_at >= start:
                emails[found.id] = found.email
                by_account[found.id] -= entry.amount
                by_day[date.fromtimestamp(entry.created_at).isoformat()] -= entry.amount
            if read % _SHOWN_EVERY == 0:
                progress("reading", read, 0)
    out.record(
        Usage(
            tokens=by_day.total(),
            by_account=[
                AccountUsage(account_id=account_id, email=emails[account_id], tokens=tokens)
                for account_id, tokens in by_account.most_common(top)
            ],
            by_day=[DayUsage(day=day, tokens=by_day[day]) for day in sorted(by_day)],
        ),
        bars="tokens",
    )


def _entries(db: PackDb, account: str | None) -> Iterator[tuple[Account, LedgerEntry]]:
    if account is None:
        yield from with_accounts(all_entries(db), all_accounts(db))
    else:
        found = find_account(db, account)
        for entry in entries_of(db, found):
            yield found, entry
