"""Requests on the wire, version 1, as bytes in and bytes out. `docs/protocol.md` is the law.

request  [1, client_id, sequence, deadline, [call, ...]]
call     [method, arguments]                e.g. ["tokens.get_balance", ["0190a6c2-..."]]
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from pack_db.errors import BadRequest, InvalidInput, PackDbError, UnsupportedVersion
from pack_db_client.protocol.packing import PLAIN, VERSION, pack, pack_known
from pack_db_client.protocol.untrusted import (
    BROKEN,
    MAX_CALLS,
    MAX_NESTING,
    is_nested_too_deep,
    read_arguments,
    read_call,
    read_fields,
)

CLIENT_ID_BYTES = 16
MAX_SEQUENCE = 2**63 - 1
MAX_DEADLINE_AHEAD_S = 600
"""A write's deadline lies at most this far ahead, so the daemon can forget it after that."""

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
        if type(arguments) is tuple and PLAIN.issuperset(map(type, arguments)):
            return pack_known((method, arguments))
        data = pack((method, arguments))
        _check_readable(data)
    except OverflowError as exc:
        raise InvalidInput(f"{method}: an argument is a whole number of over 64 bits") from exc
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInput(f"{method}: an argument cannot be sent: {exc}") from exc
    return data


def encode_request(
    client_id: bytes, sequence: int, deadline_ns: int, calls: Sequence[bytes]
) -> bytes:
    return pack_known((VERSION, client_id, sequence, deadline_ns, [*map(msgspec.Raw, calls)]))


def decode_request(data: bytes) -> Request:
    """
    Raises:
        Refusal: the bytes are not a request of this version.
    """
    try:
        return _unpack_request(data)
    except BROKEN:
        return _read_what_can_be(data)


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


_unpack_request = msgspec.msgpack.Decoder(Request).decode
