"""What must hold after a run, checked through public calls of a client."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pack_db.errors import InvalidApiKey
from pack_db_client import Account, LedgerEntry, PackDb
from tests.chaos.call_log import LoggedCall, Outcome
from tests.chaos.workload import ENOUGH_S, TOO_MANY

_PAGE = 500
_KINDS = {"create_account": "opening", "consume_tokens": "consumption", "top_up": "top_up"}
_NOT_DONE = (Outcome.REFUSED, Outcome.NOT_SENT)
# What the answers of a daemon may say when its server was away all the time that a call had.
_SERVER_REFUSALS = frozenset({"storage_unavailable", "storage_conflict"})
_NOT_ANSWERED = frozenset({"call_timeout", "outcome_unknown", "no_daemon", "unavailable"})


class Findings:
    """What is wrong, in words, and how often a write was lost or applied twice."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.lost = 0
        self.applied_twice = 0


def check(
    db: PackDb, calls: Sequence[LoggedCall], max_overrun_s: float, *, has_servers: bool
) -> Findings:
    """Compare what the clients were told with what is in the database.

    Args:
        has_servers: the database was on servers, which were away at times, too.
    """
    findings = Findings()
    accounts = {account.email: account for account in _accounts(db)}
    entries = {account.id: list(_entries(db, account.id)) for account in accounts.values()}
    _check_answers(findings, calls, _SERVER_REFUSALS if has_servers else frozenset())
    _check_times(findings, calls, max_overrun_s, has_servers=has_servers)
    _check_accounts(findings, calls, accounts)
    _check_entries(findings, calls, accounts, entries)
    for account in accounts.values():
        _check_balance(findings, db, account, entries[account.id])
    _check_keys(findings, db, calls)
    return findings


def _check_times(
    findings: Findings, calls: Sequence[LoggedCall], max_overrun_s: float, *, has_servers: bool
) -> None:
    for call in calls:
        if call.overrun_s > max_overrun_s:
            findings.violations.append(f"ended {call.overrun_s:.3f} s after its timeout: {call}")
        if call.timeout_s >= ENOUGH_S and call.error in _NOT_ANSWERED and not has_servers:
            findings.violations.append(f"had time enough, and got no answer: {call}")


def _check_answers(
    findings: Findings, calls: Sequence[LoggedCall], refusals: frozenset[str]
) -> None:
    for call in calls:
        if call.outcome is Outcome.REFUSED and call.error not in refusals | _expected_refusals(
            call
        ):
            findings.violations.append(f"refused without a reason: {call}")
        if call.outcome is Outcome.ACKNOWLEDGED:
            if call.account_id and call.answered_id != call.account_id:
                findings.violations.append(f"got another call's reply: {call}")
            if call.amount >= TOO_MANY:
                findings.violations.append(f"took tokens that were not there: {call}")


def _expected_refusals(call: LoggedCall) -> set[str]:
    # A client that was stopped may send when its deadline has passed.
    return {"deadline_passed"} | ({"insufficient_tokens"} if call.amount >= TOO_MANY else set())


def _check_accounts(
    findings: Findings, calls: Sequence[LoggedCall], accounts: dict[str, Account]
) -> None:
    created = {call.email: call for call in calls if call.method == "create_account"}
    findings.violations += [
        f"nobody created the account {email}" for email in accounts.keys() - created.keys()
    ]
    for email, call in created.items():
        account = accounts.get(email)
        if account and call.answered_id not in ("", account.id):
            findings.violations.append(f"got another account's reply: {call}, {account}")


def _check_entries(
    findings: Findings,
    calls: Sequence[LoggedCall],
    accounts: dict[str, Account],
    entries: dict[str, list[LedgerEntry]],
) -> None:
    found: dict[tuple[str, str, int], list[LedgerEntry]] = defaultdict(list)
    for account_id, ledger in entries.items():
        for entry in ledger:
            found[account_id, entry.kind, abs(entry.amount)].append(entry)
    latest: Counter[str] = Counter()  # by account, the number of the last call's entry
    for call in calls:
        if call.method not in _KINDS:
            continue
        account = accounts.get(call.email)
        account_id = account.id if account else call.account_id
        applied = found.pop((account_id, _KINDS[call.method], call.amount), [])
        if call.outcome is Outcome.ACKNOWLEDGED and not applied:
            findings.lost += 1
            findings.violations.append(f"lost: {call}")
        if len(applied) > 1:
            findings.applied_twice += 1
            findings.violations.append(f"applied {len(applied)} times: {call}")
        if applied and (call.outcome in _NOT_DONE or call.seen_later is False):
            findings.violations.append(f"applied, though it was said not to be: {call}")
        if call.seen_later and not applied:
            findings.violations.append(f"was there, and is no more: {call}")
        for entry in applied:
            if call.balance not in (None, (entry.token_remaining, entry.topup_remaining)):
                findings.violations.append(f"got another call's reply: {call}, {entry}")
            if entry.number < latest[account_id] and not call.is_interrupted:
                findings.violations.append(f"applied after a later call: {call}, {entry}")
            if not call.is_interrupted:  # which may be done later than its task's next call
                latest[account_id] = entry.number
    findings.violations += [
        f"nobody called for {entry}" for rest in found.values() for entry in rest
    ]


def _check_balance(
    findings: Findings, db: PackDb, account: Account, ledger: list[LedgerEntry]
) -> None:
    balance = db.tokens.get_balance(account.id)
    if sum(entry.amount for entry in ledger) != balance.total:
        findings.violations.append(f"the ledger does not sum to the balance: {account}")
    if balance.token_remaining < 0 or balance.topup_remaining < 0:
        findings.violations.append(f"below zero: {balance}")
    for before, after in pairwise(ledger):
        totals = [entry.token_remaining + entry.topup_remaining for entry in (before, after)]
        if after.number != before.number + 1 or totals[1] - totals[0] != after.amount:
            findings.violations.append(f"does not follow {before}: {after}")


def _check_keys(findings: Findings, db: PackDb, calls: Sequence[LoggedCall]) -> None:
    keys: dict[str, str] = {}  # by account, the one that must work now
    for call in calls:
        if call.method == "create_account" and call.answered_key:
            keys[call.answered_id] = call.answered_key
        elif call.method == "rotate_api_key" and call.outcome not in _NOT_DONE:
            keys[call.account_id] = call.answered_key  # empty if nobody knows
    for account_id, key in keys.items():
        if not key:
            continue
        try:
            authenticated = db.accounts.authenticate(key).id == account_id
        except InvalidApiKey:
            authenticated = False
        if not authenticated:
            findings.violations.append(f"the last key of account {account_id} does not work")


def _accounts(db: PackDb) -> Iterator[Account]:
    after = None
    while page := db.accounts.list_accounts(after, _PAGE):
        yield from page
        after = page[-1].id


def _entries(db: PackDb, account_id: str) -> Iterator[LedgerEntry]:
    after = 0
    while page := db.tokens.list_entries(account_id, after, _PAGE):
        yield from page
        after = page[-1].number
