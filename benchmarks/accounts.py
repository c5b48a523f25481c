"""The data set: 10,000 accounts, the same for every peer and on every run."""

import functools
import random
import secrets
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from pack_db.interfaces.entities.account import Account

FIELDS = tuple(field.name for field in fields(Account))
ACCOUNTS = 10_000
TOKENS = 1_000_000_000  # nobody runs out of them
TOPUP = 5_000
PLAN = "Pro"
_STARTED_AT = 1_700_000_000

Row = tuple[Any, ...]  # the values of FIELDS


@functools.cache
def account_ids() -> Sequence[str]:
    numbers = random.Random(20240607)
    return [str(uuid.UUID(int=numbers.getrandbits(128), version=4)) for _ in range(ACCOUNTS)]


def email(number: int) -> str:
    return f"user{number}@example.com"


def rows() -> Iterator[Row]:
    for number, account_id in enumerate(account_ids()):
        created_at = _STARTED_AT + number
        api_key = f"rs_{uuid.UUID(account_id).hex}"
        yield account_id, email(number), api_key, PLAN, TOKENS, TOPUP, 1, created_at, created_at


def new_row(address: str) -> Row:
    now = int(time.time())
    api_key = f"rs_{secrets.token_hex(16)}"
    return str(uuid.uuid4()), address, api_key, PLAN, TOKENS, 0, 1, now, now


def as_dict(row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(FIELDS, row, strict=True))
