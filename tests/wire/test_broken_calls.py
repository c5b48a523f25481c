"""A call that cannot be read is the concern of whoever made it, and of nobody else."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgpack
import pytest

from pack_db.errors import BadRequest, InvalidInput
from pack_db_client.protocol.requests import decode_request, encode_call
from tests.wire.test_messages import CALLS, REQUEST, calls_in

GOOD_CALL = CALLS[1:]
MANY = 4097
BROKEN_ARGUMENTS = {
    "no array or map": b"\xc0",
    "a number as a key": b"\x81\x01\x01",
    "bytes as a key": b"\x81\xc4\x01a\x01",
    "a key twice": b"\x82\xa1a\x01\xa1a\x01",
    "an extension type": b"\x91\xd4\x05\x00",
    "a timestamp": b"\x91\xd6\xff\0\0\0\0",
    "text that is not UTF-8": b"\x91\xa1\xff",
    "too many items": b"\x91\xdc\x10\x01" + b"\0" * MANY,
    "too many maps": b"\x91\x95" + (b"\xdc\x0f\xff" + b"\x80" * 4095) * 5,
    "too many arguments": b"\xdc\x10\x01" + b"\0" * MANY,
}


@pytest.mark.parametrize("arguments", BROKEN_ARGUMENTS.values(), ids=BROKEN_ARGUMENTS)
def test_a_call_with_broken_arguments_harms_no_other(arguments: bytes) -> None:
    broken = GOOD_CALL.removesuffix(b"\x90") + arguments
    request = decode_request(REQUEST.replace(CALLS, b"\x93" + GOOD_CALL + broken + GOOD_CALL))
    first, second, third = request.calls
    request.calls = [first, third]
    assert calls_in(request) == [("daemon.ping", [])] * 2
    assert second is not None
    with pytest.raises(BadRequest):
        _ = second.arguments


@pytest.mark.parametrize(
    "call", [b"\xc0", b"\x90", b"\x91\xa1a", b"\x92\x01\x90", b"\x92\xa1\xff\x90"]
)
def test_what_is_no_call_harms_no_other(call: bytes) -> None:
    request = decode_request(REQUEST.replace(CALLS, b"\x92" + call + GOOD_CALL))
    assert request.calls[0] is None
    assert calls_in(request) == [("daemon.ping", [])]


class Broken(list[int]):
    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("it cannot be looked into")


@dataclass
class Loop:
    inner: "Loop | None" = None


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def endless_entity() -> Loop:
    value = Loop()
    value.inner = value
    return value


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


REFUSED_ARGUMENTS = {
    "a number as a key": {1: 2},
    "bytes as a key": {b"a": 2},
    "one key within another": {"a": [{None: 1}]},
    "too many items": [0] * MANY,
    "too many keys": {str(n): n for n in range(MANY)},
    "too many inside": [[0] * MANY],
    "too many arrays": [[[]] * 4096] * 4,
    "too many maps": [[{}] * 4096] * 4,
    "too deep": nested(32),
    "far too deep": nested(600),
    "endless": endless(),
    "an endless entity": endless_entity(),
    "an extension type": msgpack.ExtType(5, b"x"),
    "a timestamp": msgpack.Timestamp(5),
    "a large number inside": [2**64],
    "a surrogate inside": {"a": "\ud800"},
    "a surrogate as a key": {"\ud800": 1},
    "a time": datetime(2026, 1, 1),
    "a decimal": Decimal("1.5"),
}


@pytest.mark.parametrize("value", REFUSED_ARGUMENTS.values(), ids=REFUSED_ARGUMENTS)
def test_what_the_daemon_would_refuse_to_read_is_refused_where_it_is_handed_over(
    value: object,
) -> None:
    for arguments in ((value,), {"limit": value}, (1, "x", value)):
        with pytest.raises(InvalidInput, match=r"^a\.b: "):
            encode_call("a.b", arguments)


def test_what_a_value_of_the_caller_raises_itself_stays_what_it_is() -> None:
    """As does what a signal's handler raises meanwhile."""
    with pytest.raises(RuntimeError, match="it cannot be looked into"):
        encode_call("a.b", (Broken([1]),))


def test_what_is_nested_as_deep_as_may_be_is_sent() -> None:
    assert encode_call("a.b", (nested(31),)) == b"\x92\xa3a.b" + b"\x91" * 32 + b"\x01"


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800", object(), {1, 2}, 1j])
def test_an_argument_that_cannot_travel_is_invalid_input(value: object) -> None:
    with pytest.raises(InvalidInput, match=r"a\.b"):
        encode_call("a.b", (value,))
