from typing import Any

from msgspec import inspect, msgpack

from pack_db_client.protocol.exact_types import TEXTS, WITH_FIELDS, parts_of

_CARRIED = (
    inspect.AnyType,
    inspect.NoneType,
    inspect.BoolType,
    inspect.IntType,
    inspect.FloatType,
    inspect.StrType,
    inspect.BytesType,
    inspect.LiteralType,
    inspect.EnumType,
    inspect.UnionType,
    inspect.ListType,
    inspect.TupleType,
    inspect.VarTupleType,
    *WITH_FIELDS,
    *TEXTS,
)


def check_carried(type_hint: Any) -> None:
    """
    Raises:
        TypeError: the protocol has no value for this type, or for a part of it.
    """
    msgpack.Decoder(type_hint)  # refuses a union whose members it could not tell apart
    for part in parts_of(type_hint):
        if not _is_carried(part):
            name = getattr(part, "cls", type(part)).__name__.removesuffix("Type")
            raise TypeError(
                f"{name} cannot travel; use None, bool, int, float, str, bytes, datetime, date, "
                "Decimal, UUID, enums of str or int, and lists, tuples, dataclasses and dicts "
                "(with str as keys) of them"
            )


def _is_carried(part: inspect.Type) -> bool:
    if isinstance(part, inspect.DictType):
        return isinstance(part.key_type, inspect.StrType | inspect.AnyType)
    return isinstance(part, _CARRIED)
