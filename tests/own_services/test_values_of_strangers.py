"""What strangers send for values that travel as text is checked as strictly as all other types."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pack_db.errors import InvalidInput
from pack_db_client.protocol.methods import methods_of
from tests.own_services.values import UTC_NOON, Values

METHODS = {method.function_name: method for method in methods_of("values", Values)}

ON_THE_WIRE: list[tuple[str, Any, str]] = [
    ("moment", "2027-01-31T12:00:00", "a datetime needs an offset"),
    ("moment", "2027-01-31", "such as 2027-01-31T12:00:00Z"),
    ("moment", 1_800_000_000, "must be a datetime as text, not a whole number"),
    ("maybe", "2027-01-31T12:00:00", "a datetime needs an offset"),
    ("maybe", 1.5, "not a number with a fraction"),
    ("day", "2027-01-31T12:00:00Z", "must be a date such as"),
    ("day", "2027-02-30", "must be a date such as"),
    ("price", 1.5, "a Decimal is a text"),
    ("price", 1, "a Decimal is a text"),
    ("price", True, "not a truth value"),
    ("price", "one", "must be a decimal number as text"),
    ("amount", 1.5, "a Decimal is a text"),
    ("amount", True, "not a truth value"),
    ("id", b"0123456789abcdef", "a UUID is a text"),
    ("id", "no id", "must be a UUID"),
    ("state", "gone", "none of the values"),
    ("state", 1, "must be text, not a whole number"),
    ("word", "sold", "none of the values"),
    ("word", 3, "none of the values"),
    ("label", {"text": "x"}, "lacks since"),
    ("label", {"text": "x", "since": "2027-01-31", "y": 1}, "unknown field y; Label takes"),
]


@pytest.mark.parametrize(("method", "value", "says"), ON_THE_WIRE)
def test_what_strangers_send_is_checked_as_strictly(method: str, value: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^values\.{method}: .*{re.escape(says)}"):
        METHODS[method].convert_arguments([value])


@pytest.mark.parametrize(
    ("method", "value", "expected"),
    [
        ("amount", 5, 5),
        ("amount", "5", Decimal(5)),
        ("maybe", 5, 5),
        ("maybe", None, None),
        ("moment", "2027-01-31T12:00:00.5+01:00", UTC_NOON - timedelta(minutes=59, seconds=59.5)),
    ],
)
def test_what_strangers_send_rightly_is_taken(method: str, value: Any, expected: Any) -> None:
    (taken,), _ = METHODS[method].convert_arguments([value])
    assert (taken, type(taken)) == (expected, type(expected))
