"""Everything there is, page by page, for commands that read it all."""

from collections.abc import Iterable, Iterator

from pack_db.interfaces.entities.account import Account
from pack_db.interfaces.entities.token import LedgerEntry
from pack_db_client import PackDb
from pack_db_daemon.cli.common.paging import pages


def all_accounts(db: PackDb) -> Iterator[Account]:
    for page in pages(db.accounts.list_accounts, lambda row: row.id, None, None):
        yield from page


def all_entries(db: PackDb) -> Iterator[LedgerEntry]:
    """The ledger of all accounts, those in the order of `all_accounts`."""
    first: tuple[str | None, int] = (None, 0)
    for page in pages(
        lambda place, size: db.tokens.list_ledger(*place, size),
        lambda row: (row.account_id, row.number),
        first,
        None,
    ):
        yield from page


def entries_of(db: PackDb, account: Account) -> Iterator[LedgerEntry]:
    for page in pages(
        lambda number, size: db.tokens.list_entries(account.id, number, size),
        lambda row: row.number,
        0,
        None,
    ):
        yield from page


def with_accounts(
    entries: Iterable[LedgerEntry], accounts: Iterable[Account]
) -> Iterator[tuple[Account, LedgerEntry]]:
    """Each entry with its account; both are in the order of the accounts' ids.

    Without those of accounts that were opened or deleted between the reading of the two.
    """
    remaining = iter(accounts)
    account = next(remaining, None)
    for entry in entries:
        # Every collation has ids, which are hexadecimal and of one length, in this order.
        while account is not None and account.id < entry.account_id:
            account = next(remaining, None)
        if account is None:
            return
        if account.id == entry.account_id:
            yield account, entry
