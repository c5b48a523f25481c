from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pack_db.errors import InvalidInput
from pack_db.impls.repos import validation
from pack_db_client import (
    Account,
    AccountStatus,
    CreateAccountInput,
    PackDb,
    PackDbError,
    UpdateAccountInput,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    email: str
    plan_name: str = "Free"
    token_remaining: int | None = None
    topup_remaining: int = 0
    status: AccountStatus = AccountStatus.ACTIVE


class Outcome(Enum):
    IMPORTED = auto()  # or would be, in a dry run
    ALREADY_THERE = auto()


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str


class AccountImporter:
    """Opens accounts with the balance they have in their rows; id and API key are new."""

    def __init__(self, db: PackDb, *, dry_run: bool) -> None:
        self._db = db
        self._dry_run = dry_run

    def take(self, rows: Sequence[AccountRow]) -> Sequence[Outcome | Refused]:
        """Import some rows in a few messages; returns what became of each, in order.

        A row that was imported before is found to be there already, so rows may be given again.

        Raises:
            PackDbError: the daemon could not be called, and any of the rows may be imported.
        """
        outcomes: list[Outcome | Refused] = [Outcome.IMPORTED] * len(rows)
        new = []
        inactive: list[tuple[int, str]] = []
        with self._db.batch() as batch:
            found = [
                batch.submit(self._db.accounts.get_account_by_email, row.email) for row in rows
            ]
        for index, (row, answer) in enumerate(zip(rows, found, strict=True)):
            try:
                account = answer.result()
            except PackDbError as error:
                outcomes[index] = Refused(str(error))
            else:
                if account is None:
                    new.append(index)
                elif not _was_opened_for(row, account):
                    outcomes[index] = Refused("another account has this e-mail address")
                elif account.status == row.status:
                    outcomes[index] = Outcome.ALREADY_THERE
                else:
                    # An import was interrupted before its next step.
                    inactive.append((index, account.id))
        if self._dry_run:
            for index in new:
                try:
                    validation.email(rows[index].email)
                except InvalidInput as error:
                    outcomes[index] = Refused(str(error))
            return outcomes
        with self._db.batch() as batch:
            opened = [
                (index, batch.submit(self._db.accounts.create_account, _input(rows[index])))
                for index in new
            ]
        for index, created in opened:
            try:
                account = created.result()
            except PackDbError as error:
                outcomes[index] = Refused(str(error))
            else:
                if rows[index].status != account.status:
                    inactive.append((index, account.id))
        changes = UpdateAccountInput(status=AccountStatus.INACTIVE)
        with self._db.batch() as batch:
            updated = [
                (index, batch.submit(self._db.accounts.update_account, account_id, changes))
                for index, account_id in inactive
            ]
        for index, update in updated:
            try:
                update.result()
            except PackDbError as error:
                outcomes[index] = Refused(str(error))
        return outcomes


def _was_opened_for(row: AccountRow, account: Account) -> bool:
    return (
        account.plan_name == row.plan_name
        and row.token_remaining in (None, account.token_remaining)
        and account.topup_remaining == row.topup_remaining
        and account.status in (row.status, AccountStatus.ACTIVE)
    )


def _input(row: AccountRow) -> CreateAccountInput:
    return CreateAccountInput(
        email=row.email,
        plan_name=row.plan_name,
        token_remaining=row.token_remaining,
        topup_remaining=row.topup_remaining,
    )
