"""What msgspec lets pass in an argument off the wire, and the protocol does not.

A field that its type does not have is a typing error of the caller. (Readers of results shall
ignore them, who may be older than the daemon.) A number is no text of a `Decimal`, bytes are none
of a `UUID`, and a time without an offset is no moment.
"""

import re
from typing import Any

from msgspec import inspect

from pack_db_client.protocol.exact_types import TEXTS

_MAPS = (inspect.DataclassType, inspect.TypedDictType, inspect.DictType)
_ARRAYS = (
    inspect.ListType,
    inspect.VarTupleType,
    inspect.TupleType,
    inspect.NamedTupleType,
)
_INTEGERS = (inspect.IntType, inspect.FloatType, inspect.LiteralType, inspect.EnumType)
_LOOKED_INTO = (inspect.AnyType, *_MAPS, *_ARRAYS, *TEXTS)
_HAS_OFFSET = re.compile(r"([Zz]|[+-]\d\d:\d\d)$").search


def is_looked_into(part: inspect.Type) -> bool:
    """Whether msgspec may let pass something in a value of this type."""
    if isinstance(part, inspect.UnionType):
        return any(map(is_looked_into, part.types))
    return isinstance(part, _LOOKED_INTO)


_LONGEST_NAME = 100  # characters


def let_pass(value: Any, part: inspect.Type) -> str | None:
    """What is wrong with `value`, or anywhere in it, for people; None if there is nothing.

    Args:
        value: as it came off the wire, and fit for `part` as far as msgspec knows.
    """
    inner: list[tuple[Any, inspect.Type]] = []
    match part:
        case inspect.UnionType(types=types):
            inner = [(value, p) for p in types if _is_meant(value, p, types)]
        case inspect.DataclassType() | inspect.TypedDictType() if isinstance(value, dict):
            if (problem := unknown_field(value, part)) is not None:
                return problem
            parts = {field.encode_name: field.type for field in part.fields}
            inner = [(v, parts[name]) for name, v in value.items()]
        case inspect.DictType(value_type=item) if isinstance(value, dict) and is_looked_into(item):
            inner = [(v, item) for v in value.values()]
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            if isinstance(value, list) and is_looked_into(item):
                inner = [(v, item) for v in value]
        case inspect.TupleType(item_types=parts_in_order) if isinstance(value, list):
            inner = [*zip(value, parts_in_order, strict=False)]
        case inspect.NamedTupleType() if isinstance(value, list):
            inner = [*zip(value, (field.type for field in part.fields), strict=False)]
        case inspect.DateTimeType() if not _HAS_OFFSET(value):
            return "a datetime needs an offset, such as 2027-01-31T12:00:00+01:00, or Z for UTC"
        case inspect.DecimalType() | inspect.UUIDType() if not isinstance(value, str):
            return f"a {type(part).__name__.removesuffix('Type')} is a text"
    for v, p in inner:
        if is_looked_into(p) and (found := let_pass(v, p)) is not None:
            return found
    return None


def unknown_field(value: Any, part: inspect.Type) -> str | None:
    """What is wrong with a map that has fields which its type has not."""
    if isinstance(part, inspect.DataclassType | inspect.TypedDictType) and isinstance(value, dict):
        known = [field.encode_name for field in part.fields]
        if unknown := [name for name in value if name not in known]:
            return f"unknown field{shown(unknown[0])}; {part.cls.__name__} takes {', '.join(known)}"
    return None


def shown(name: Any) -> str:
    """A name with a space before it, unless it is none: it may be 64 KiB of anything."""
    is_name = isinstance(name, str) and len(name) <= _LONGEST_NAME and name.isidentifier()
    return f" {name}" if is_name else ""


def _is_meant(value: Any, part: inspect.Type, among: tuple[inspect.Type, ...]) -> bool:
    """Whether a value is one of this member of a union: at most one is a map, one an array, and one
    a text."""
    match value:
        case None | bool():
            return False
        case dict():
            return isinstance(part, _MAPS)
        case list():
            return isinstance(part, _ARRAYS)
        case str():
            return isinstance(part, TEXTS)
        case int():
            numbers: tuple[type, ...] = _INTEGERS
        case _:
            numbers = (inspect.FloatType,)
    return isinstance(part, TEXTS) and not any(isinstance(p, numbers) for p in among)
