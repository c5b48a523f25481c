from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import click

from pack_db_client import PackDb
from pack_db_daemon.cli.account_argument import find_account
from pack_db_daemon.cli.all_rows import all_accounts, all_entries
from pack_db_daemon.cli.client import with_client
from pack_db_daemon.cli.output import Output
from pack_db_daemon.cli.progress import progress_in_rows


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

    It reads the ledger page by page, so on a large one it takes its time.

    \b
    Examples:
      pack-db tokens usage
      pack-db tokens usage user@example.com --since 2027-01-01
      pack-db tokens usage --top 10 --json | jq '.by_account[].email'
    """
    start = 0 if since is None else since.timestamp()
    by_account: dict[str, AccountUsage] = {}
    by_day: Counter[str] = Counter()
    read = 0
    with progress_in_rows() as progress:
        for found in all_accounts(db) if account is None else [find_account(db, account)]:
            consumed = 0
            for entry in all_entries(db, found):
                read += 1
                if entry.kind == "consumption" and entry.created_at >= start:
                    consumed -= entry.amount
                    by_day[f"{datetime.fromtimestamp(entry.created_at):%Y-%m-%d}"] -= entry.amount
            progress("reading", read, 0)
            if consumed:
                by_account[found.id] = AccountUsage(
                    account_id=found.id, email=found.email, tokens=consumed
                )
    largest = sorted(by_account.values(), key=lambda row: -row.tokens)[:top]
    out.record(
        Usage(
            tokens=by_day.total(),
            by_account=largest,
            by_day=[DayUsage(day=day, tokens=by_day[day]) for day in sorted(by_day)],
        ),
        bars="tokens",
    )
