"""Values as msgpack."""

from dataclasses import is_dataclass
from typing import Any

import msgpack
import msgspec

VERSION = 1
"""Of the protocol."""

PLAIN = frozenset({str, int, bool, float, type(None)})
"""Types whose values can always be read if they can be packed."""

pack_known = msgspec.msgpack.Encoder().encode
"""The bytes that `pack` makes, faster but less strict: not for what callers hand over."""


def pack(value: Any) -> bytes:
    """
    Raises:
        TypeError, ValueError, OverflowError, RecursionError: it cannot travel.
    """
    # Not with a packer that is kept: a call that a finalizer or a signal's handler makes while this
    # one is being packed would write into the same buffer.
    packed: bytes = msgpack.packb(value, default=_entity)
    return packed


def _entity(value: Any) -> Any:
    if is_dataclass(value):
        return msgspec.to_builtins(value, builtin_types=(bytes,))  # else they would be base64
    raise TypeError(f"this {type(value).__name__} is of a kind or size that cannot travel")
