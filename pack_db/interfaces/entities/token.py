from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBalance:
    """The tokens of an account."""

    account_id: str
    token_remaining: int  # tokens left of the plan's allowance, never below 0
    topup_remaining: int  # tokens bought on top; below 0 is a debt from an overdraft

    @property
    def total(self) -> int:
        """Tokens that can be consumed now."""
        return self.token_remaining + self.topup_remaining


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One change of a balance. The amounts of an account's entries sum to its balance."""

    account_id: str
    number: int  # 1, 2, 3 ... within the account, without gaps
    kind: str  # "opening", "consumption", "top_up" or "renewal"
    amount: int  # tokens; below 0 when taken
    token_remaining: int  # what the change left of the plan's allowance
    topup_remaining: int  # what the change left of the top-up
    created_at: int  # whole Unix seconds
