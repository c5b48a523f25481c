"""Whether a Python value is just what its type hint says, before it travels.

On the wire a `UUID` is a text, and so is what a `str` would be: who reads it goes by the hint. So
a value that the hint does not fit would arrive as another one, or as one of another type.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_origin
from uuid import UUID

from msgspec import inspect

WITH_FIELDS = (inspect.DataclassType, inspect.TypedDictType, inspect.NamedTupleType)
TEXTS = (inspect.DateTimeType, inspect.DateType, inspect.DecimalType, inspect.UUIDType)
"""What travels as text, and is no text in Python."""

_SCALARS: dict[type[inspect.Type], tuple[type, ...]] = {
    inspect.NoneType: (type(None),),
    inspect.BoolType: (bool,),
    inspect.IntType: (int,),
    inspect.FloatType: (float, int),  # as for type checkers
    inspect.StrType: (str,),
    inspect.BytesType: (bytes,),
    inspect.DateTimeType: (datetime,),
    inspect.DateType: (date,),
    inspect.DecimalType: (Decimal,),
    inspect.UUIDType: (UUID,),
}
_SUBCLASSES = {bool: int, datetime: date}  # and not what is meant by their parents
_PLAIN = (str, int, float, bytes, type(None))


def parts_of(type_hint: Any) -> Iterator[inspect.Type]:
    """A type and all that its values may have inside.

    Raises:
        TypeError: it is no type hint that msgspec knows.
    """
    yield from _parts(inspect.type_info(type_hint), set())


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
    if isinstance(whole, WITH_FIELDS) and whole.cls not in seen:
        seen.add(whole.cls)  # a dataclass may hold itself
        parts = tuple(field.type for field in whole.fields)
    for part in parts:
        yield from _parts(part, seen)


def travels_as_another(part: inspect.Type) -> bool:
    """Whether a value of this type travels as one of another Python type."""
    if isinstance(part, inspect.EnumType):
        return not issubclass(part.cls, str | int)
    return isinstance(part, TEXTS)


def misfit(value: Any, part: inspect.Type) -> str | None:
    """What about a value is not as its type says; None if there is nothing."""
    match part:
        case inspect.UnionType(types=types):
            found = [misfit(value, each) for each in types]
            if None in found:
                return None
            holders = [f for f, p in zip(found, types, strict=True) if isinstance(p, _HOLDERS)]
            return holders[0] if len(holders) == 1 else _instead(value, part)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            if not isinstance(value, (list, tuple) if type(part) is inspect.ListType else tuple):
                return _instead(value, part)
            return _first((f"[{n}]", each, item) for n, each in enumerate(value))
        case inspect.TupleType(item_types=items):
            if not isinstance(value, tuple) or len(value) != len(items):
                return _instead(value, part)
            return _first(
                (f"[{n}]", *pair) for n, pair in enumerate(zip(value, items, strict=True))
            )
        case inspect.DictType(key_type=key, value_type=item):
            if not isinstance(value, dict):
                return _instead(value, part)
            return _first(("a key", each, key) for each in value) or _first(
                (f"[{name!r}]", each, item) for name, each in value.items()
            )
        case inspect.TypedDictType(fields=fields):
            if not isinstance(value, dict) or not value.keys() <= {f.name for f in fields}:
                return _instead(value, part)
            if lacking := [f.name for f in fields if f.required and f.name not in value]:
                return f"{lacking[0]} is missing"
            return _first((f.name, value[f.name], f.type) for f in fields if f.name in value)
        case (
            inspect.DataclassType(cls=cls, fields=fields)
            | inspect.NamedTupleType(cls=cls, fields=fields)
        ):
            if type(value) is not (get_origin(cls) or cls):  # of a generic one, the class itself
                return _instead(value, part)
            return _first((f.name, getattr(value, f.name), f.type) for f in fields)
        case inspect.AnyType():
            return _misfit_for_any(value)
        case inspect.LiteralType(values=values):
            if any(type(value) is type(v) and value == v for v in values):
                return None
            return _instead(value, part)
        case inspect.EnumType(cls=cls):
            return None if isinstance(value, cls) else _instead(value, part)
        case inspect.DateTimeType() if type(value) is datetime:
            return _misfit_of_offset(value.utcoffset())
    expected = _SCALARS.get(type(part), ())
    if not isinstance(value, expected) or _SUBCLASSES.get(type(value)) in expected:
        return _instead(value, part)
    return None


_HOLDERS = (
    *WITH_FIELDS,
    *(inspect.ListType, inspect.VarTupleType, inspect.TupleType, inspect.DictType),
    inspect.DateTimeType,  # what is wrong with it may be its time zone
)


def _first(parts: Iterator[tuple[str, Any, inspect.Type]]) -> str | None:
    for where, value, part in parts:
        if (problem := misfit(value, part)) is not None:
            return f"{where}: {problem}"
    return None


def _misfit_for_any(value: Any) -> str | None:
    inner: Sequence[Any] = ()
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, (list, tuple)):
        inner = value
    elif type(value) is not bool and type(value) not in _PLAIN:
        return f"{type(value).__name__}, which needs a type hint of its own to travel"
    return next((found for each in inner if (found := _misfit_for_any(each))), None)


def _misfit_of_offset(offset: timedelta | None) -> str | None:
    if offset is None:
        return "a datetime without a time zone; give it one, as datetime.now(UTC) does"
    if offset % timedelta(minutes=1):
        return "a datetime whose offset has seconds; use astimezone(UTC)"
    return None


def _instead(value: Any, part: inspect.Type) -> str:
    [expected, *_] = _SCALARS.get(type(part), [getattr(part, "cls", type(part))])
    return f"{type(value).__name__} in place of {expected.__name__.removesuffix('Type')}"
