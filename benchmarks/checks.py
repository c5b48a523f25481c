"""A peer is measured only if it does the work."""

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from benchmarks.accounts import FIELDS, TOKENS
from benchmarks.clients import Client


class WrongAnswer(Exception):
    """A peer did not do what was asked."""


def check(client: Client, account_id: str, new_email: str) -> None:
    """Read, charge and create an account, and look whether it happened.

    Raises:
        WrongAnswer: it did not.
    """
    found = _fields(client.get(account_id))
    _expect(found["id"] == account_id, "get returns the account that was asked for")
    _expect(type(found["created_at"]) is int, "get returns numbers as numbers")
    _expect(0 < found["token_remaining"] <= TOKENS, "get returns the tokens that are left")
    left = client.consume(account_id)
    _expect(left == found["token_remaining"] - 1, "consume takes one token")
    created = _fields(client.create(new_email))
    found = _fields(client.get(created["id"]))
    # pack-db shows a key in full only once.
    _expect(created | {"api_key": ""} == found | {"api_key": ""}, "create stores what it returns")
    _expect(found["email"] == new_email, "create stores the address that it was given")


def tokens_left(client: Client, account_id: str) -> int:
    return int(_fields(client.get(account_id))["token_remaining"])


def _fields(found: object) -> dict[str, Any]:
    if is_dataclass(found) and not isinstance(found, type):
        found = asdict(found)
    _expect(isinstance(found, Mapping), "an answer is a mapping or an entity")
    assert isinstance(found, Mapping)
    _expect(set(FIELDS) <= set(found), "an answer has all fields")
    return dict(found)


def _expect(is_true: bool, claim: str) -> None:
    if not is_true:
        raise WrongAnswer(f"not true: {claim}")
