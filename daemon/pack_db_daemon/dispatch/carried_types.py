from collections.abc import Iterator
from typing import Any

from msgspec import inspect, msgpack

_WITH_FIELDS = (inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)
_CARRIED = (
    inspect.AnyType,
    inspect.NoneType,
    inspect.BoolType,
    inspect.IntType,
    inspect.FloatType,
    inspect.StrType,
    inspect.BytesType,
    inspect.LiteralType,
    inspect.UnionType,
    inspect.ListType,
    inspect.TupleType,
    inspect.VarTupleType,
    *_WITH_FIELDS,
)


def check_carried(type_hint: Any) -> None:
    """
    Raises:
        TypeError: the protocol has no value for this type, or for a part of it.
    """
    msgpack.Decoder(type_hint)  # refuses a union whose members it could not tell apart
    for part in _parts(inspect.type_info(type_hint), set()):
        if not _is_carried(part):
            name = getattr(part, "cls", type(part)).__name__.removesuffix("Type")
            raise TypeError(
                f"{name} cannot travel; use None, bool, int, float, str, bytes, StrEnum, IntEnum, "
                "and lists, tuples, dataclasses and dicts (with str as keys) of them"
            )


def _is_carried(part: inspect.Type) -> bool:
    match part:
        case inspect.EnumType(cls=cls):
            return issubclass(cls, str | int)
        case inspect.DictType(key_type=key):
            return isinstance(key, inspect.StrType | inspect.AnyType)
    return isinstance(part, _CARRIED)


def _parts(whole: inspect.Type, seen: set[type]) -> Iterator[inspect.Type]:
    yield whole
    parts: tuple[inspect.Type, ...] = ()
    match whole:
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            parts = (item,)
        case inspect.DictType(value_type=item):
            parts = (item,)
        case inspect.TupleType(item_types=items) | inspect.UnionType(types=items):
            parts = items
    if isinstance(whole, _WITH_FIELDS) and whole.cls not in seen:
        seen.add(whole.cls)  # a dataclass may hold itself
        parts = tuple(field.type for field in whole.fields)
    for part in parts:
        yield from _parts(part, seen)
