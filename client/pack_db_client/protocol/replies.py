"""Replies on the wire, version 1, as bytes in and bytes out. `docs/protocol.md` is the law.

    reply    [1, sequence, [result, ...], clock]
    result   [0, value]  or  [code, message, details]

A request that is refused as a whole gets a reply with exactly one result, an error.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, ClassVar, get_origin, get_type_hints

import msgspec

from pack_db.errors import (
    BadRequest,
    PackDbError,
    UnsupportedVersion,
    details_to_send,
    error_class,
    error_from_wire,
)
from pack_db_client.protocol.exact_types import parts_of, travels_as_another
from pack_db_client.protocol.packing import PLAIN, VERSION, pack, pack_known
from pack_db_client.protocol.untrusted import BROKEN

OK = 0
"""The code of a result that is a value."""


def encode_value(value: Any) -> bytes:
    """A result that says the call succeeded.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: the value cannot travel.
    """
    return pack((OK, value))


def encode_error(error: PackDbError) -> bytes:
    """A result that says the call failed, with the text of what cannot travel otherwise.

    Raises:
        Exception: whatever the methods of the error and of its details raise.
    """
    details = details_to_send(error)
    try:
        if PLAIN.issuperset(map(type, details.values())):
            return pack((error.code, str(error), details))
    except (TypeError, ValueError, OverflowError):
        pass
    return pack((error.code, _sendable(str(error)), _sendable(details)))


def encode_reply(sequence: int, results: Sequence[bytes], clock_ns: int) -> bytes:
    """
    Args:
        clock_ns: CLOCK_MONOTONIC of the daemon; 0 if it is not told.
    """
    return pack_known((VERSION, sequence, [*map(msgspec.Raw, results)], clock_ns))


def split_reply(data: bytes) -> tuple[int, list[msgspec.Raw], int]:
    """Sequence, results, still encoded, and the daemon's clock in nanoseconds.

    Raises:
        BadRequest: the bytes are not a reply of this version, so neither was the request.
    """
    try:
        version, sequence, results, clock_ns = _split_reply(data)
    except BROKEN as exc:
        raise _not_of_this_protocol() from exc
    if version != VERSION:
        raise UnsupportedVersion(f"the daemon speaks version {version}, this client {VERSION}")
    return sequence, results, clock_ns


def decode_reply(data: bytes) -> tuple[int, list[list[Any]], int]:
    """`split_reply`, with the results decoded by `decode_result`."""
    sequence, results, clock_ns = split_reply(data)
    return sequence, [*map(decode_result, results)], clock_ns


def decode_result(result: bytes | msgspec.Raw) -> list[Any]:
    """One result, for `result_value`.

    Raises:
        BadRequest: it is not of this protocol.
    """
    try:
        return _unpack_result(result)
    except BROKEN as exc:
        raise _not_of_this_protocol() from exc


def code_of(result: msgspec.Raw) -> int | str:
    """The code of an encoded result: `OK`, or the one of an error.

    Raises:
        BadRequest: it is not of this protocol.
    """
    try:
        return _unpack_code(result).code
    except BROKEN as exc:
        raise _not_of_this_protocol() from exc


def result_value(result: Sequence[Any]) -> Any:
    """
    Raises:
        PackDbError: what the service raised, of the same class.
    """
    if result[0] == OK:
        return result[1]
    code, message, details = result
    cls: type = error_class(code)
    for name, hint in _typed_details(cls).items():
        if name in details:
            with suppress(msgspec.ValidationError):  # of a service that raised it otherwise
                details[name] = msgspec.convert(details[name], hint, builtin_types=(bytes,))
    raise error_from_wire(code, message, details)


@lru_cache
def _typed_details(cls: type) -> dict[str, Any]:
    """The attributes whose values are no texts, and travel as such."""
    try:
        hints = get_type_hints(cls)
        return {
            name: hint
            for name, hint in hints.items()
            if get_origin(hint) is not ClassVar and any(map(travels_as_another, parts_of(hint)))
        }
    except (NameError, TypeError):  # what a hint names need not be there, or have a form here
        return {}


def _not_of_this_protocol() -> BadRequest:
    return BadRequest("the daemon's reply is not of this protocol")


def _sendable(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case None | float() | bytes():
            return value
        case dict():
            return {_sendable(str(key)): _sendable(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [*map(_sendable, value)]
    return _sendable(msgspec.to_builtins(value, str_keys=True, enc_hook=str))


class _Code(msgspec.Struct, array_like=True):
    code: int | str


_split_reply = msgspec.msgpack.Decoder(tuple[int, int, list[msgspec.Raw], int]).decode
_unpack_result = msgspec.msgpack.Decoder(list[Any]).decode
_unpack_code = msgspec.msgpack.Decoder(_Code).decode
