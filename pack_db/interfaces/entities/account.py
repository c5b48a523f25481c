from dataclasses import dataclass
from enum import IntEnum


class AccountStatus(IntEnum):
    """Whether the API key of an account is accepted."""

    INACTIVE = 0
    ACTIVE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as it was at the moment of the call."""

    id: str  # UUIDv7 text, so ids sort by time of creation
    email: str  # as it was given, trimmed
    api_key: str  # "rs_" and 32 hex digits when just made, "rs_…9f3c" ever after
    plan_name: str
    token_remaining: int  # tokens left of the plan's allowance, never below 0
    topup_remaining: int  # tokens bought on top; below 0 is a debt from an overdraft
    status: int  # an AccountStatus
    created_at: int  # whole Unix seconds
    updated_at: int  # whole Unix seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAccountInput:
    """What a new account begins with."""

    email: str
    plan_name: str = "Free"
    token_remaining: int | None = None  # tokens; None is the plan's allowance
    topup_remaining: int = 0  # tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAccountInput:
    """What to change; None leaves a field as it is."""

    email: str | None = None
    plan_name: str | None = None  # tokens stay as they are until `TokenRepo.renew_plan`
    status: int | None = None  # an AccountStatus
