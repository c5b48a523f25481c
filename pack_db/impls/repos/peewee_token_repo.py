import time

from peewee import Case

from pack_db.errors import (
    AccountInactive,
    AccountNotFound,
    InsufficientTokens,
    InvalidInput,
    PackDbError,
)
from pack_db.impls.compiled_query import Row, parameter
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.database.models import AccountModel as A
from pack_db.impls.repos import plans, validation
from pack_db.impls.repos.peewee_ledger import PeeweeLedger
from pack_db.interfaces.entities.account import AccountStatus
from pack_db.interfaces.entities.token import LedgerEntry, TokenBalance
from pack_db.interfaces.token_repo import TokenRepo


class PeeweeTokenRepo(TokenRepo):
    def __init__(self, database: DatabaseConnection, ledger: PeeweeLedger) -> None:
        self._database = database
        self._ledger = ledger
        by_id = A.id == parameter("id")
        amount = parameter("amount")
        balance = (A.token_remaining, A.topup_remaining, A.entry_count)
        next_entry = {
            A.entry_count: A.entry_count + 1,
            A.updated_at: parameter("now"),
        }
        covered = A.token_remaining >= amount  # by the plan's allowance alone
        take = A.update(
            {
                A.token_remaining: Case(None, [(covered, A.token_remaining - amount)], 0),
                A.topup_remaining: Case(
                    None,
                    [(covered, A.topup_remaining)],
                    A.topup_remaining + A.token_remaining - amount,
                ),
                **next_entry,
            }
        ).returning(*balance)
        self._consume = database.compile(
            take.where(
                by_id,
                A.status == int(AccountStatus.ACTIVE),
                A.token_remaining + A.topup_remaining >= amount,
            )
        )
        self._overdraw = database.compile(
            take.where(
                by_id,
                A.token_remaining + A.topup_remaining - amount >= -validation.MAX_TOKENS,
            )
        )
        self._top_up = database.compile(
            A.update({A.topup_remaining: A.topup_remaining + amount, **next_entry})
            .where(by_id, A.topup_remaining <= validation.MAX_TOKENS - amount)
            .returning(*balance)
        )
        # Both engines lock the row with this write, so what it returns holds until the commit.
        self._begin_entry = database.compile(
            A.update(next_entry).where(by_id).returning(A.plan_name, *balance)
        )
        self._set_allowance = database.compile(A.update({A.token_remaining: amount}).where(by_id))
        self._select = database.compile(
            A.select(A.token_remaining, A.topup_remaining, A.status).where(by_id)
        )

    def get_balance(self, account_id: str) -> TokenBalance:
        token_remaining, topup_remaining, _ = self._account(account_id)
        return TokenBalance(
            account_id=account_id,
            token_remaining=token_remaining,
            topup_remaining=topup_remaining,
        )

    def consume_tokens(
        self, account_id: str, amount: int, *, allow_overdraft: bool = False
    ) -> TokenBalance:
        validation.account_id(account_id)
        validation.tokens(amount, "amount", least=1)
        if type(allow_overdraft) is not bool:
            raise InvalidInput("allow_overdraft must be true or false")
        take = self._overdraw if allow_overdraft else self._consume
        now = int(time.time())
        with self._database.transaction():
            rows = take(id=account_id, amount=amount, now=now)
            if not rows:
                raise self._why_not_taken(account_id, amount, allow_overdraft)
            return self._ledger.append(account_id, rows[0], "consumption", -amount, now)

    def top_up(self, account_id: str, amount: int) -> TokenBalance:
        validation.account_id(account_id)
        validation.tokens(amount, "amount", least=1)
        now = int(time.time())
        with self._database.transaction():
            rows = self._top_up(id=account_id, amount=amount, now=now)
            if not rows:
                self._account(account_id)
                raise _out_of_range(account_id)
            return self._ledger.append(account_id, rows[0], "top_up", amount, now)

    def renew_plan(self, account_id: str, token_remaining: int | None = None) -> TokenBalance:
        validation.account_id(account_id)
        if token_remaining is not None:
            validation.tokens(token_remaining, "token_remaining")
        now = int(time.time())
        # The savepoint undoes the new entry number for a caller whose own transaction goes on.
        with self._database.transaction(), self._database.savepoint():
            rows = self._begin_entry(id=account_id, now=now)
            if not rows:
                raise _not_found(account_id)
            plan_name, before, topup_remaining, number = rows[0]
            if token_remaining is None:
                token_remaining = plans.allowance(plan_name)
            self._set_allowance(id=account_id, amount=token_remaining)
            return self._ledger.append(
                account_id,
                (token_remaining, topup_remaining, number),
                "renewal",
                token_remaining - before,
                now,
            )

    def list_entries(self, account_id: str, after: int = 0, limit: int = 100) -> list[LedgerEntry]:
        after = validation.entry_number(after, "after")
        limit = validation.page_limit(limit)
        self._account(account_id)
        return self._ledger.page(account_id, after, limit)

    def list_ledger(
        self, after_account_id: str | None = None, after_number: int = 0, limit: int = 100
    ) -> list[LedgerEntry]:
        return self._ledger.page_of_all(
            ""
            if after_account_id is None
            else validation.account_id(after_account_id, "after_account_id"),
            validation.entry_number(after_number, "after_number"),
            validation.page_limit(limit),
        )

    def _account(self, account_id: str) -> Row:
        rows = self._select(id=validation.account_id(account_id))
        if not rows:
            raise _not_found(account_id)
        return rows[0]

    def _why_not_taken(self, account_id: str, amount: int, allow_overdraft: bool) -> PackDbError:
        token_remaining, topup_remaining, status = self._account(account_id)
        if allow_overdraft:
            return _out_of_range(account_id)
        if status != AccountStatus.ACTIVE:
            return AccountInactive(f"account {account_id} is not active")
        remaining = token_remaining + topup_remaining
        return InsufficientTokens(
            f"account {account_id} has {remaining} tokens left, {amount} were asked for; "
            "top it up or renew its plan",
            requested=amount,
            remaining=remaining,
        )


def _not_found(account_id: str) -> AccountNotFound:
    return AccountNotFound(f"no account has the id {account_id}")


def _out_of_range(account_id: str) -> InvalidInput:
    return InvalidInput(
        f"amount would take account {account_id} out of the range of plus or minus "
        f"{validation.MAX_TOKENS} tokens"
    )
