"""Reads what strangers send. Whatever it is, nothing but `ValueError` comes of it."""

from contextlib import suppress
from typing import Annotated, Any

import msgpack
import msgspec

MAX_CALLS = 1024
MAX_NESTING = 32
"""Arrays and maps within each other, the one that holds the arguments included."""

BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are wrong."""

_MAX_ITEMS = 4096  # of an array or a map; bounds the memory that a small message can claim
_MAX_HOLDERS = 16384  # arrays and maps of a call; bounds the time that it takes to read
_FIELDS = 5
_MAX_FIELDS = 16  # of a request of another version
_HEAD_BYTES = 18  # of the longest field before the calls
_TEXT = frozenset({str})


def read_fields(data: bytes) -> list[Any]:
    """What a request consists of; its fifth field as a list of (method, packed arguments).

    Arguments are not looked into, so that broken ones harm no other call. None stands for a
    call or a field that can only be wrong.

    Raises:
        ValueError: it is not an array.
    """
    try:
        fields = _unpack_fields(data)
        return [_head(f) for f in fields[: _FIELDS - 1]] + [_calls(f) for f in fields[4:]]
    except BROKEN as exc:
        raise ValueError("a request is one frame of well-formed msgpack, an array") from exc


def read_arguments(packed: msgspec.Raw) -> list[Any] | dict[str, Any]:
    """
    Raises:
        ValueError: they are no arguments.
    """
    holders = _Holders()
    try:
        arguments = msgpack.unpackb(
            packed,
            object_pairs_hook=holders.map_of,
            list_hook=holders.array_of,
            max_array_len=_MAX_ITEMS,
            max_map_len=_MAX_ITEMS,
            max_ext_len=0,
            ext_hook=_no_extension,
        )
    except (ValueError, TypeError, OverflowError, RecursionError):
        # Not what msgpack says of it, which may repeat what came.
        raise ValueError(
            f"arguments are well-formed msgpack: at most {_MAX_ITEMS:,} items in an array or a "
            f"map, {_MAX_HOLDERS:,} arrays and maps, keys that are text and used once each, text "
            "that is UTF-8, no extension types"
        ) from None
    if type(arguments) is list or type(arguments) is dict:
        return arguments
    raise ValueError("arguments are an array or a map")


def is_nested_too_deep(arguments: Any) -> bool:
    level: list[Any] = [arguments]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is list or type(inner) is dict
        ]
        if not level:
            return False
    return True


def _head(field: msgspec.Raw) -> Any:
    with suppress(*BROKEN):
        return _unpack_any(field) if memoryview(field).nbytes <= _HEAD_BYTES else None


def _calls(field: msgspec.Raw) -> Any:
    with suppress(*BROKEN):
        return [*map(_call, _unpack_calls(field))]


def _call(data: msgspec.Raw) -> Any:
    with suppress(*BROKEN):
        return read_call(data)


class _Holders:
    """Makes the arrays and maps of a call, and counts them."""

    def __init__(self) -> None:
        self._left = _MAX_HOLDERS

    def array_of(self, items: list[Any]) -> list[Any]:
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many arrays and maps")
        return items

    def map_of(self, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        self.array_of(pairs)
        # msgpack by itself lets the last of two equal keys win, and takes bytes for a key.
        result = dict(pairs)
        if len(result) != len(pairs) or not _TEXT.issuperset(map(type, result)):
            raise ValueError("a map's keys are text, each used once")
        return result


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError("no extension type is in the protocol")


_Call = tuple[str, msgspec.Raw]
_AtMost = msgspec.Meta(max_length=MAX_CALLS)
_unpack_fields = msgspec.msgpack.Decoder(
    Annotated[list[msgspec.Raw], msgspec.Meta(max_length=_MAX_FIELDS)]
).decode
_unpack_calls = msgspec.msgpack.Decoder(Annotated[list[msgspec.Raw], _AtMost]).decode
read_call = msgspec.msgpack.Decoder(_Call).decode
_unpack_any = msgspec.msgpack.Decoder().decode
