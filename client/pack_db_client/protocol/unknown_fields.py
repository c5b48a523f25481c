"""Fields of an argument that its type does not have: a typing error of the caller.

msgspec ignores them, as readers of results shall, who may be older than the daemon.
"""

from typing import Any

from msgspec import inspect

WithFields = inspect.DataclassType | inspect.TypedDictType

_HOLDING = (
    inspect.AnyType,
    inspect.DataclassType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
    inspect.DictType,
    inspect.ListType,
    inspect.TupleType,
    inspect.VarTupleType,
)


def may_hold_more(part: inspect.Type) -> bool:
    """Whether a value of this type may have other values inside."""
    if isinstance(part, inspect.UnionType):
        return any(map(may_hold_more, part.types))
    return isinstance(part, _HOLDING)


def unknown_field(value: Any, part: inspect.Type) -> WithFields | None:
    """The type whose field, anywhere in `value`, is not one of its own; None if there is none.

    Args:
        value: as it came off the wire, and known to fit `part`.
    """
    inner: list[tuple[Any, inspect.Type]] = []
    match part:
        case inspect.UnionType(types=types):
            # It has at most one member that is a map, and one that is an array.
            wanted = _MAPS if isinstance(value, dict) else _ARRAYS
            inner = [(value, p) for p in types if isinstance(p, wanted)]
        case inspect.DataclassType() | inspect.TypedDictType() if isinstance(value, dict):
            parts = {field.encode_name: field.type for field in part.fields}
            if not value.keys() <= parts.keys():
                return part
            inner = [(v, parts[name]) for name, v in value.items()]
        case inspect.DictType(value_type=item) if isinstance(value, dict) and may_hold_more(item):
            inner = [(v, item) for v in value.values()]
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            if isinstance(value, list) and may_hold_more(item):
                inner = [(v, item) for v in value]
        case inspect.TupleType(item_types=parts_in_order) if isinstance(value, list):
            inner = [*zip(value, parts_in_order, strict=False)]
        case inspect.NamedTupleType() if isinstance(value, list):
            inner = [*zip(value, (field.type for field in part.fields), strict=False)]
    for v, p in inner:
        if may_hold_more(p) and (found := unknown_field(v, p)) is not None:
            return found
    return None


_MAPS = (inspect.DataclassType, inspect.TypedDictType, inspect.DictType)
_ARRAYS = (
    inspect.ListType,
    inspect.VarTupleType,
    inspect.TupleType,
    inspect.NamedTupleType,
)
