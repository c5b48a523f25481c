from collections.abc import Sequence
from dataclasses import dataclass, field

from pack_db_client import (
    Account,
    BatchResult,
    CreateAccountInput,
    PackDb,
    PackDbError,
    TokenBalance,
)
from pack_db_daemon.cli.transfer.row_importer import Outcome, Refused, RowImporter

_PAGE = 500  # entries that a service gives at once


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    email: str
    plan_name: str = "Free"
    number: int
    kind: str
    amount: int
    token_remaining: int
    topup_remaining: int


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: str
    amount: int
    token_remaining: int
    topup_remaining: int


_NOTHING = _Entry("", 0, 0, 0)  # what is before an account's first entry


@dataclass(slots=True)
class _Account:
    """What is known of one account around the rows at hand."""

    id: str | None = None  # None: it is yet to be opened
    entries: dict[int, _Entry] = field(default_factory=dict)
    problem: str = ""


class LedgerImporter(RowImporter[EntryRow]):
    """Books entries anew, the first one of an account by opening it.

    An entry's number tells whether it is booked already, and what has to be there before it. The
    rows of an account must come together and in order, and nobody else may change it meanwhile.
    """

    def __init__(self, db: PackDb, *, dry_run: bool) -> None:
        self._db = db
        self._dry_run = dry_run
        self._unbooked: dict[str, tuple[int, _Entry]] = {}  # the last entry that a dry run passed

    def take(self, rows: Sequence[EntryRow]) -> Sequence[Outcome | Refused]:
        accounts = self._find_accounts(rows)
        self._read_entries(rows, accounts)
        outcomes = [_outcome(row, accounts[row.email]) for row in rows]
        if self._dry_run:
            last = rows[-1]
            self._unbooked = {last.email: (last.number, _entry(last))}
        else:
            self._open(rows, accounts, outcomes)
            self._book(rows, accounts, outcomes)
        return outcomes

    def _find_accounts(self, rows: Sequence[EntryRow]) -> dict[str, _Account]:
        accounts = {row.email: _Account() for row in rows}
        with self._db.batch() as batch:
            answers = [
                (account, batch.submit(self._db.accounts.get_account_by_email, email))
                for email, account in accounts.items()
            ]
        for account, answer in answers:
            try:
                if (found := answer.result()) is not None:
                    account.id = found.id
            except PackDbError as error:
                account.problem = str(error)
        return accounts

    def _read_entries(self, rows: Sequence[EntryRow], accounts: dict[str, _Account]) -> None:
        numbers: dict[str, list[int]] = {}
        for row in rows:
            numbers.setdefault(row.email, []).append(row.number)
        with self._db.batch() as batch:
            answers = [
                # From the entry before the first row on.
                (
                    account,
                    batch.submit(
                        self._db.tokens.list_entries,
                        account.id,
                        max(0, min(numbers[email]) - 2),
                        min(_PAGE, len(numbers[email]) + 1),
                    ),
                )
                for email, account in accounts.items()
                if account.id is not None
            ]
        for account, answer in answers:
            try:
                for entry in answer.result():
                    account.entries[entry.number] = _Entry(
                        entry.kind, entry.amount, entry.token_remaining, entry.topup_remaining
                    )
            except PackDbError as error:
                account.problem = str(error)
        for email, (number, unbooked) in self._unbooked.items():
            if email in accounts:
                accounts[email].entries.setdefault(number, unbooked)

    def _open(
        self,
        rows: Sequence[EntryRow],
        accounts: dict[str, _Account],
        outcomes: list[Outcome | Refused],
    ) -> None:
        with self._db.batch() as batch:
            answers: list[tuple[int, BatchResult[Account]]] = [
                (index, batch.submit(self._db.accounts.create_account, _input(row)))
                for index, row in enumerate(rows)
                if outcomes[index] is Outcome.IMPORTED and row.number == 1
            ]
        for index, answer in answers:
            account = accounts[rows[index].email]
            try:
                account.id = answer.result().id
            except PackDbError as error:
                outcomes[index] = Refused(str(error))

    def _book(
        self,
        rows: Sequence[EntryRow],
        accounts: dict[str, _Account],
        outcomes: list[Outcome | Refused],
    ) -> None:
        answers: list[tuple[int, BatchResult[TokenBalance]]] = []
        with self._db.batch() as batch:
            for index, row in enumerate(rows):
                if outcomes[index] is not Outcome.IMPORTED or row.number == 1:
                    continue
                account_id = accounts[row.email].id
                if account_id is None:
                    outcomes[index] = Refused("its account could not be opened")
                    continue
                tokens = self._db.tokens
                match row.kind:
                    case "consumption":
                        answer = batch.submit(
                            tokens.consume_tokens, account_id, -row.amount, allow_overdraft=True
                        )
                    case "top_up":
                        answer = batch.submit(tokens.top_up, account_id, row.amount)
                    case _:
                        answer = batch.submit(tokens.renew_plan, account_id, row.token_remaining)
                answers.append((index, answer))
        for index, answer in answers:
            row = rows[index]
            try:
                balance = answer.result()
            except PackDbError as error:
                outcomes[index] = Refused(str(error))
                continue
            if (balance.token_remaining, balance.topup_remaining) != (
                row.token_remaining,
                row.topup_remaining,
            ):
                outcomes[index] = Refused(
                    f"booked, but the balance is {balance.total} then: somebody else changed "
                    "the account meanwhile"
                )


def _outcome(row: EntryRow, account: _Account) -> Outcome | Refused:
    """What is to become of a row; one that is to be booked counts as booked for those behind it."""
    if account.problem:
        return Refused(account.problem)
    entry = _entry(row)
    existing = account.entries.get(row.number)
    if existing == entry:
        return Outcome.ALREADY_THERE
    if existing is not None:
        return Refused(f"the account has another entry {row.number}: {_in_words(existing)}")
    before = _NOTHING if row.number == 1 else account.entries.get(row.number - 1)
    if before is None:
        return Refused(f"the account has no entry {row.number - 1} for it to follow")
    if problem := _problem(row, before):
        return Refused(problem)
    account.entries[row.number] = entry
    return Outcome.IMPORTED


def _problem(row: EntryRow, before: _Entry) -> str:
    allowance, topup = before.token_remaining, before.topup_remaining
    if (row.kind == "opening") != (row.number == 1):
        return "the first entry of an account, and no other one, is an opening"
    match row.kind:
        case "opening":
            expected = (row.token_remaining, row.amount - row.token_remaining)
        case "consumption" if row.amount < 0:
            taken = min(allowance, -row.amount)
            expected = (allowance - taken, topup + row.amount + taken)
        case "top_up" if row.amount > 0:
            expected = (allowance, topup + row.amount)
        case "renewal":
            expected = (allowance + row.amount, topup)
        case "consumption" | "top_up":
            return f"a {row.kind} cannot have the amount {row.amount}"
        case _:
            return f"there is no kind {row.kind!r} of entries"
    if expected != (row.token_remaining, row.topup_remaining):
        return (
            f"after entry {row.number - 1} it would leave {expected[0]} tokens and a top-up of "
            f"{expected[1]}, but it says {row.token_remaining} and {row.topup_remaining}"
        )
    return ""


def _entry(row: EntryRow) -> _Entry:
    return _Entry(row.kind, row.amount, row.token_remaining, row.topup_remaining)


def _in_words(entry: _Entry) -> str:
    return (
        f"{entry.kind} of {entry.amount}, "
        f"leaving {entry.token_remaining} and {entry.topup_remaining}"
    )


def _input(row: EntryRow) -> CreateAccountInput:
    return CreateAccountInput(
        email=row.email,
        plan_name=row.plan_name,
        token_remaining=row.token_remaining,
        topup_remaining=row.topup_remaining,
    )
