from dataclasses import dataclass, field, replace

from pack_db.errors import (
    AccountInactive,
    AccountNotFound,
    EmailTaken,
    InsufficientTokens,
    InvalidApiKey,
    InvalidInput,
)
from pack_db.interfaces.entities.account import Account, CreateAccountInput, UpdateAccountInput
from pack_db.interfaces.entities.token import LedgerEntry, TokenBalance

MAX_TOKENS = 2**53 - 1
ALLOWANCES = {"Free": 1_000, "Pro": 50_000, "Enterprise": 500_000}


@dataclass
class ModelAccount:
    account: Account  # as it is read
    api_key: str
    entries: list[LedgerEntry] = field(default_factory=list)


class Model:
    """What the services promise, in dictionaries: the rules without a database.

    What cannot be foreseen (ids, keys, times) is taken over from what the services returned.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, ModelAccount] = {}

    # Accounts

    def check_create(self, account: CreateAccountInput) -> tuple[int, int]:
        """Allowance and top-up of the new account."""
        _refuse_unless("@" in account.email and " " not in account.email.strip())
        tokens = account.token_remaining
        if tokens is None:
            tokens = _allowance(account.plan_name)
        _refuse_unless(0 <= tokens <= MAX_TOKENS and 0 <= account.topup_remaining <= MAX_TOKENS)
        self._check_free(account.email)
        return tokens, account.topup_remaining

    def add(self, created: Account) -> None:
        read = replace(created, api_key=f"rs_…{created.api_key[-4:]}")
        self.by_id[created.id] = ModelAccount(read, created.api_key)
        self._enter(created.id, "opening", created.token_remaining, created.topup_remaining, 0)

    def get_account(self, account_id: str) -> Account | None:
        known = self.by_id.get(account_id)
        return None if known is None else known.account

    def get_account_by_email(self, email: str) -> Account | None:
        for known in self.by_id.values():
            if _same_email(known.account.email, email):
                return known.account
        return None

    def authenticate(self, api_key: str) -> Account:
        for known in self.by_id.values():
            if known.api_key == api_key:
                if known.account.status != 1:
                    raise AccountInactive("model")
                return known.account
        raise InvalidApiKey("model")

    def rotate_api_key(self, account_id: str, api_key: str) -> None:
        known = self._find(account_id)
        known.api_key = api_key
        known.account = replace(known.account, api_key=f"rs_…{api_key[-4:]}")

    def update_account(self, account_id: str, changes: UpdateAccountInput) -> Account:
        if changes.email is not None:
            _refuse_unless("@" in changes.email)
        _refuse_unless(changes.status in (None, 0, 1))
        _refuse_unless(changes != UpdateAccountInput())
        known = self._find(account_id)
        if changes.email is not None:
            self._check_free(changes.email, but=account_id)
        old = known.account
        known.account = replace(
            old,
            email=old.email if changes.email is None else changes.email.strip(),
            plan_name=old.plan_name if changes.plan_name is None else changes.plan_name,
            status=old.status if changes.status is None else changes.status,
        )
        return known.account

    def list_accounts(self, after: str, limit: int) -> list[Account]:
        _refuse_unless(1 <= limit <= 500)
        return [known.account for key, known in self.by_id.items() if key > after][:limit]

    def delete_account(self, account_id: str) -> None:
        self._find(account_id)
        del self.by_id[account_id]

    # Tokens

    def get_balance(self, account_id: str) -> TokenBalance:
        account = self._find(account_id).account
        return TokenBalance(
            account_id=account_id,
            token_remaining=account.token_remaining,
            topup_remaining=account.topup_remaining,
        )

    def consume_tokens(
        self, account_id: str, amount: int, *, allow_overdraft: bool
    ) -> TokenBalance:
        _refuse_unless(1 <= amount <= MAX_TOKENS)
        account = self._find(account_id).account
        total = account.token_remaining + account.topup_remaining
        if not allow_overdraft:
            if account.status != 1:
                raise AccountInactive("model")
            if amount > total:
                raise InsufficientTokens("model")
        _refuse_unless(total - amount >= -MAX_TOKENS)
        from_allowance = min(amount, account.token_remaining)
        return self._enter(
            account_id,
            "consumption",
            account.token_remaining - from_allowance,
            account.topup_remaining - (amount - from_allowance),
            total,
        )

    def top_up(self, account_id: str, amount: int) -> TokenBalance:
        _refuse_unless(1 <= amount <= MAX_TOKENS)
        account = self._find(account_id).account
        topup = account.topup_remaining + amount
        _refuse_unless(topup <= MAX_TOKENS)
        total = account.token_remaining + account.topup_remaining
        return self._enter(account_id, "top_up", account.token_remaining, topup, total)

    def renew_plan(self, account_id: str, token_remaining: int | None) -> TokenBalance:
        if token_remaining is not None:
            _refuse_unless(0 <= token_remaining <= MAX_TOKENS)
        account = self._find(account_id).account
        if token_remaining is None:
            token_remaining = _allowance(account.plan_name)
        total = account.token_remaining + account.topup_remaining
        return self._enter(account_id, "renewal", token_remaining, account.topup_remaining, total)

    def list_entries(self, account_id: str, after: int, limit: int) -> list[LedgerEntry]:
        _refuse_unless(after >= 0 and 1 <= limit <= 500)
        return self._find(account_id).entries[after : after + limit]

    def _find(self, account_id: str) -> ModelAccount:
        _refuse_unless(len(account_id) == 36)  # a malformed id is not looked for
        if account_id not in self.by_id:
            raise AccountNotFound("model")
        return self.by_id[account_id]

    def _check_free(self, email: str, but: str | None = None) -> None:
        if any(
            key != but and _same_email(known.account.email, email)
            for key, known in self.by_id.items()
        ):
            raise EmailTaken("model")

    def _enter(
        self, account_id: str, kind: str, token_remaining: int, topup_remaining: int, before: int
    ) -> TokenBalance:
        known = self.by_id[account_id]
        known.account = replace(
            known.account, token_remaining=token_remaining, topup_remaining=topup_remaining
        )
        known.entries.append(
            LedgerEntry(
                account_id=account_id,
                number=len(known.entries) + 1,
                kind=kind,
                amount=token_remaining + topup_remaining - before,
                token_remaining=token_remaining,
                topup_remaining=topup_remaining,
                created_at=known.account.created_at,
            )
        )
        return self.get_balance(account_id)


def _refuse_unless(allowed: bool) -> None:
    if not allowed:
        raise InvalidInput("model")


def _allowance(plan_name: str) -> int:
    _refuse_unless(plan_name in ALLOWANCES)
    return ALLOWANCES[plan_name]


def _same_email(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
