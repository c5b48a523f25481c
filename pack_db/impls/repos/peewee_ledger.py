import time

from peewee import Tuple, fn

from pack_db.impls.compiled_query import Row, parameter
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.database.models import DeletedAccountModel as Deleted
from pack_db.impls.database.models import LedgerEntryModel as Entry
from pack_db.interfaces.entities.token import LedgerEntry, TokenBalance

_REMOVED_AT_ONCE = 500  # entries; that takes about a millisecond


class PeeweeLedger:
    """The append-only list of every change to a balance, shared by the repositories."""

    def __init__(self, database: DatabaseConnection) -> None:
        columns = (
            Entry.account_id,
            Entry.number,
            Entry.kind,
            Entry.amount,
            Entry.token_remaining,
            Entry.topup_remaining,
            Entry.created_at,
        )
        self._insert = database.compile(Entry.insert({c: parameter(c.name) for c in columns}))
        self._select_page = database.compile(
            Entry.select(*columns)
            .where(
                Entry.account_id == parameter("account_id"),
                Entry.number > parameter("after"),
            )
            .order_by(Entry.number)
            .limit(parameter("limit"))
        )
        place = Tuple(Entry.account_id, Entry.number)
        self._select_page_of_all = database.compile(
            Entry.select(*columns)
            .where(
                place > Tuple(parameter("account_id"), parameter("after")),
                Entry.account_id.not_in(Deleted.select(Deleted.id)),
            )
            .order_by(Entry.account_id, Entry.number)
            .limit(parameter("limit"))
        )

        of_account = Entry.account_id == parameter("account_id")
        first = (
            Entry.select(Entry.number)
            .where(of_account)
            .order_by(Entry.number)
            .limit(_REMOVED_AT_ONCE)
        )
        self._remove_first = database.compile(
            Entry.delete().where(of_account, Entry.number.in_(first)).returning(Entry.number)
        )
        self._note_deleted = database.compile(
            Deleted.insert(
                {Deleted.id: parameter("account_id"), Deleted.deleted_at: parameter("now")}
            )
        )
        self._select_deleted = database.compile(Deleted.select(Deleted.id).limit(1))
        self._forget_deleted = database.compile(
            # Another host may be removing entries, too.
            Deleted.delete().where(
                Deleted.id == parameter("account_id"), ~fn.EXISTS(Entry.select().where(of_account))
            )
        )
        self._database = database

    def append(
        self, account_id: str, balance: Row, kind: str, amount: int, now: int
    ) -> TokenBalance:
        """Append an entry; returns the balance after it.

        Args:
            balance: `token_remaining` and `topup_remaining` after it, and its number.
        """
        token_remaining, topup_remaining, number = balance
        self._insert(
            account_id=account_id,
            number=number,
            kind=kind,
            amount=amount,
            token_remaining=token_remaining,
            topup_remaining=topup_remaining,
            created_at=now,
        )
        return TokenBalance(
            account_id=account_id,
            token_remaining=token_remaining,
            topup_remaining=topup_remaining,
        )

    def page(self, account_id: str, after: int, limit: int) -> list[LedgerEntry]:
        return _entries(self._select_page(account_id=account_id, after=after, limit=limit))

    def page_of_all(self, account_id: str, after: int, limit: int) -> list[LedgerEntry]:
        """What comes behind this entry of this account, also in the accounts behind it."""
        return _entries(self._select_page_of_all(account_id=account_id, after=after, limit=limit))

    def remove(self, account_id: str) -> None:
        """Remove the entries of an account that is deleted, those beyond the first few later."""
        if len(self._remove_first(account_id=account_id)) == _REMOVED_AT_ONCE:
            self._note_deleted(account_id=account_id, now=int(time.time()))

    def remove_some(self) -> bool:
        """Remove some entries that deleted accounts have left; True if there may be others."""
        for (account_id,) in self._select_deleted():
            with self._database.transaction():
                if len(self._remove_first(account_id=account_id)) < _REMOVED_AT_ONCE:
                    self._forget_deleted(account_id=account_id)
            return True
        return False


def _entries(rows: list[Row]) -> list[LedgerEntry]:
    return [
        LedgerEntry(
            account_id=row[0],
            number=row[1],
            kind=row[2],
            amount=row[3],
            token_remaining=row[4],
            topup_remaining=row[5],
            created_at=row[6],
        )
        for row in rows
    ]
