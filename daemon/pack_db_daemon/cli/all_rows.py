"""Everything there is, page by page, for commands that read it all."""

from collections.abc import Iterator

from pack_db.interfaces.entities.account import Account
from pack_db.interfaces.entities.token import LedgerEntry
from pack_db_client import AccountNotFound, PackDb
from pack_db_daemon.cli.paging import pages


def all_accounts(db: PackDb) -> Iterator[Account]:
    for page in pages(db.accounts.list_accounts, lambda row: row.id, None, None):
        yield from page


def all_entries(db: PackDb, account: Account) -> Iterator[LedgerEntry]:
    """An account's ledger; nothing if it was deleted meanwhile."""
    try:
        for page in pages(
            lambda number, size: db.tokens.list_entries(account.id, number, size),
            lambda row: row.number,
            0,
            None,
        ):
            yield from page
    except AccountNotFound:
        return
