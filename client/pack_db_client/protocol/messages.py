"""The messages on the wire, version 1, as bytes in and bytes out. `docs/protocol.md` is the law.

    request  [1, client_id, sequence, deadline, [call, ...]]
    call     [method, arguments]                e.g. ["tokens.get_balance", ["0190a6c2-..."]]
    reply    [1, sequence, [result, ...], clock]
    result   [0, value]  or  [code, message, details]

A request that is refused as a whole gets a reply with exactly one result, an error.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, get_origin, get_type_hints

import msgpack
import msgspec

from pack_db.errors import (
    BadRequest,
    InvalidInput,
    PackDbError,
    UnsupportedVersion,
    details_to_send,
    error_class,
    error_from_wire,
)
from pack_db_client.protocol.exact_types import parts_of, travels_as_another
from pack_db_client.protocol.untrusted import (
    BROKEN,
    MAX_NESTING,
    is_nested_too_deep,
    read_arguments,
    read_call,
    read_fields,
)
from pack_db_client.protocol.untrusted import MAX_CALLS as MAX_CALLS

VERSION = 1
CLIENT_ID_BYTES = 16
MAX_SEQUENCE = 2**63 - 1
MAX_DEADLINE_AHEAD_S = 600
"""A write's deadline lies at most this far ahead, so the daemon can forget it after that."""

_OK = 0

Arguments = Sequence[Any] | dict[str, Any]


class Call(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    method: str
    packed: msgspec.Raw
    """Its arguments as they came, so that broken ones harm no other call."""

    @property
    def arguments(self) -> Arguments:
        """
        Raises:
            BadRequest: they are no arguments of this protocol.
        """
        try:
            return read_arguments(self.packed)
        except ValueError as exc:
            raise BadRequest(str(exc)) from exc


class Request(msgspec.Struct, array_like=True, forbid_unknown_fields=True, tag=VERSION):
    client_id: Annotated[
        bytes, msgspec.Meta(min_length=CLIENT_ID_BYTES, max_length=CLIENT_ID_BYTES)
    ]
    sequence: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEQUENCE)]
    deadline_ns: Annotated[int, msgspec.Meta(ge=0)]  # CLOCK_MONOTONIC; 0 is none
    # None for one that is no call.
    calls: Annotated[list[Call | None], msgspec.Meta(min_length=1, max_length=MAX_CALLS)]


class Refusal(Exception):
    """A message that is refused as a whole, and the sequence to answer with (0 if unreadable)."""

    def __init__(self, sequence: int, error: PackDbError) -> None:
        super().__init__(sequence, error)
        self.sequence = sequence
        self.error = error


def encode_call(method: str, arguments: Arguments) -> bytes:
    """
    Raises:
        InvalidInput: an argument is of a kind that cannot travel, or the daemon would refuse it.
    """
    try:
        if type(arguments) is tuple and _PLAIN.issuperset(map(type, arguments)):
            return _pack_known((method, arguments))
        data = _pack((method, arguments))
        _check_readable(data)
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise InvalidInput(f"{method}: an argument cannot be sent: {exc}") from exc
    return data


def encode_request(
    client_id: bytes, sequence: int, deadline_ns: int, calls: Sequence[bytes]
) -> bytes:
    return _pack_known((VERSION, client_id, sequence, deadline_ns, [*map(msgspec.Raw, calls)]))


def decode_request(data: bytes) -> Request:
    """
    Raises:
        Refusal: the bytes are not a request of this version.
    """
    try:
        return _unpack_request(data)
    except BROKEN:
        return _read_what_can_be(data)


def encode_value(value: Any) -> bytes:
    """A result that says the call succeeded.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: the value cannot travel.
    """
    return _pack((_OK, value))


def encode_checked_value(value: Any) -> bytes:
    """`encode_value` for dataclasses known to hold nothing that cannot travel, and much faster.

    Raises:
        ValueError, OverflowError: a text has lone surrogates, or a number over 64 bits.
    """
    return _pack_known((_OK, value))


def encode_error(error: PackDbError) -> bytes:
    """A result that says the call failed, with the text of what cannot travel otherwise.

    Raises:
        Exception: whatever the methods of the error and of its details raise.
    """
    details = details_to_send(error)
    try:
        if _PLAIN.issuperset(map(type, details.values())):
            return _pack((error.code, str(error), details))
    except (TypeError, ValueError, OverflowError):
        pass
    return _pack((error.code, _sendable(str(error)), _sendable(details)))


def encode_reply(sequence: int, results: Sequence[bytes], clock_ns: int) -> bytes:
    """
    Args:
        clock_ns: CLOCK_MONOTONIC of the daemon; 0 if it is not told.
    """
    return _pack_known((VERSION, sequence, [*map(msgspec.Raw, results)], clock_ns))


def decode_reply(data: bytes) -> tuple[int, list[Any], int]:
    """Sequence, results, each for `result_value`, and the daemon's clock in nanoseconds.

    Raises:
        BadRequest: the bytes are not a reply of this version, so neither was the request.
    """
    try:
        version, sequence, results, clock_ns = _unpack_reply(data)
    except (TypeError, ValueError, RecursionError) as exc:
        raise BadRequest("the daemon's reply is not of this protocol") from exc
    if version != VERSION:
        raise UnsupportedVersion(f"the daemon speaks version {version}, this client {VERSION}")
    return sequence, results, clock_ns


def result_value(result: Sequence[Any]) -> Any:
    """
    Raises:
        PackDbError: what the service raised, of the same class.
    """
    if result[0] == _OK:
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


def _read_what_can_be(data: bytes) -> Request:
    try:
        fields = read_fields(data)
    except ValueError as exc:
        raise Refusal(0, BadRequest(str(exc))) from exc
    sequence = _readable_sequence(fields)
    if not fields or type(fields[0]) is not int:
        raise Refusal(sequence, BadRequest("a request is an array that starts with its version"))
    if fields[0] != VERSION:
        raise Refusal(
            sequence, UnsupportedVersion(f"this daemon speaks version {VERSION} of the protocol")
        )
    if len(fields) != 5:
        raise Refusal(sequence, BadRequest("a request is an array of five"))
    _, client_id, _, deadline_ns, calls = fields
    if type(client_id) is not bytes or len(client_id) != CLIENT_ID_BYTES:
        raise Refusal(sequence, BadRequest(f"client_id must be {CLIENT_ID_BYTES} bytes"))
    if not sequence:
        raise Refusal(0, BadRequest("sequence must be an integer from 1 to 2**63 - 1"))
    if type(deadline_ns) is not int or deadline_ns < 0:
        raise Refusal(sequence, BadRequest("deadline must be an unsigned integer"))
    if type(calls) is not list or not 0 < len(calls) <= MAX_CALLS:
        raise Refusal(sequence, BadRequest(f"calls must be an array of 1 to {MAX_CALLS} calls"))
    return Request(client_id, sequence, deadline_ns, [c and Call(*c) for c in calls])


def _readable_sequence(fields: list[Any]) -> int:
    if len(fields) > 2:
        sequence = fields[2]
        if type(sequence) is int and 0 < sequence <= MAX_SEQUENCE:
            return sequence
    return 0


def _check_readable(call: bytes) -> None:
    _, packed = read_call(call)
    if is_nested_too_deep(read_arguments(packed)):
        raise ValueError(f"it is nested more than {MAX_NESTING} deep")


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


def _entity(value: Any) -> Any:
    if is_dataclass(value):
        return msgspec.to_builtins(value, builtin_types=(bytes,))  # else they would be base64
    raise TypeError(f"this {type(value).__name__} is of a kind or size that cannot travel")


_PLAIN = frozenset({str, int, bool, float, type(None)})  # what is always read if it can be packed

# These are faster than msgpack's, but less strict: not for what callers or strangers hand over.
_pack_known = msgspec.msgpack.Encoder().encode  # the bytes that `_pack` makes
_unpack_request = msgspec.msgpack.Decoder(Request).decode
_unpack_reply = msgspec.msgpack.Decoder(tuple[int, int, list[list[Any]], int]).decode


def _pack(value: Any) -> bytes:
    # Not with a packer that is kept: a call that a finalizer or a signal's handler makes while this
    # one is being packed would write into the same buffer.
    packed: bytes = msgpack.packb(value, default=_entity)
    return packed
