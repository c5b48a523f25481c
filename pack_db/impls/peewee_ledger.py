from peewee import Tuple

from pack_db.impls.compiled_query import Row, parameter
from pack_db.impls.database_connection import DatabaseConnection
from pack_db.impls.models import LedgerEntryModel as Entry
from pack_db.interfaces.entities.token import LedgerEntry


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
            .where(place > Tuple(parameter("account_id"), parameter("after")))
            .order_by(Entry.account_id, Entry.number)
            .limit(parameter("limit"))
        )

    def append(
        self,
        account_id: str,
        number: int,
        kind: str,
        amount: int,
        token_remaining: int,
        topup_remaining: int,
        now: int,
    ) -> None:
        self._insert(
            account_id=account_id,
            number=number,
            kind=kind,
            amount=amount,
            token_remaining=token_remaining,
            topup_remaining=topup_remaining,
            created_at=now,
        )

    def page(self, account_id: str, after: int, limit: int) -> list[LedgerEntry]:
        return _entries(self._select_page(account_id=account_id, after=after, limit=limit))

    def page_of_all(self, account_id: str, after: int, limit: int) -> list[LedgerEntry]:
        """What comes behind this entry of this account, also in the accounts behind it."""
        return _entries(self._select_page_of_all(account_id=account_id, after=after, limit=limit))


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
