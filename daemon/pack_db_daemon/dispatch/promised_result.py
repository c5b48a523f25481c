from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import inspect

from pack_db_client.protocol.messages import encode_checked_value, encode_value

# msgspec would turn these into text, or text into these: no caller would get what was returned.
_LEFT_ALONE = (bytes, datetime, date, time, timedelta, Decimal, UUID)
_SCALARS = (
    inspect.IntType,
    inspect.FloatType,
    inspect.StrType,
    inspect.BoolType,
    inspect.NoneType,
    inspect.BytesType,
)
_KNOWN = 64  # combinations of types; more of them are checked each time


class PromisedResult:
    """Encodes what a method returned, if that is what its interface promises.

    Most methods return a dataclass of plain values, or a list of them. Of those it remembers
    which types of fields were right, as looking at the types is cheaper than at the values.
    """

    def __init__(self, promised: Any) -> None:
        self._promised = promised
        self._optional, self._listed, self._entity = _outline(promised)
        self._types_of = _types_of_fields(self._entity) if self._entity else None
        self._scalar = promised if promised in (str, int, bool, float, bytes, NoneType) else None
        self._known: set[tuple[type, ...]] = set()

    def encode(self, value: Any) -> bytes:
        """
        Raises:
            TypeError, ValueError: it is of another type, or cannot travel.
            Exception: whatever its methods raise.
        """
        if (types_of := self._types_of) is not None:
            entity, known = self._entity, self._known
            if not self._listed:
                if type(value) is entity and types_of(value) in known:
                    return encode_checked_value(value)
            elif type(value) is list and all(
                type(each) is entity and types_of(each) in known for each in value
            ):
                return encode_checked_value(value)
        elif type(value) is self._scalar:
            return encode_checked_value(value)
        self._check_entities(value)
        plain = msgspec.to_builtins(value, builtin_types=_LEFT_ALONE)
        msgspec.convert(plain, self._promised, builtin_types=_LEFT_ALONE)
        encoded = encode_value(plain)
        if types_of is not None and value is not None and len(self._known) < _KNOWN:
            self._known.update(map(types_of, value if self._listed else [value]))
        return encoded

    def _check_entities(self, value: Any) -> None:
        # What has the right fields by chance is not what was promised.
        if value is None and self._optional:
            return
        if self._listed and not isinstance(value, (list, tuple)):
            raise TypeError(f"{type(value).__name__} in place of a list")
        if self._entity is None:
            return
        for each in value if self._listed else [value]:
            if not isinstance(each, self._entity):
                raise TypeError(f"{type(each).__name__} in place of {self._entity.__name__}")


def _outline(promised: Any) -> tuple[bool, bool, type | None]:
    """Whether it may be None, whether it is a list, and the dataclass that it or its items are."""
    optional = listed = False
    if get_origin(promised) in (Union, UnionType) and NoneType in get_args(promised):
        [*others] = [p for p in get_args(promised) if p is not NoneType]
        optional, promised = True, others[0] if len(others) == 1 else None
    if get_origin(promised) is list:
        listed, [promised] = True, get_args(promised)
    is_entity = isinstance(promised, type) and is_dataclass(promised)
    return optional, listed, promised if is_entity else None


def _types_of_fields(entity: type) -> Callable[[Any], tuple[type, ...]] | None:
    """Gives the types of an entity's values; None if it is more than they that counts."""
    part = cast(inspect.DataclassType, inspect.type_info(entity))
    names = [field.name for field in fields(entity)]
    if not all(_is_scalar(field.type) for field in part.fields) or len(names) < 2:
        return None
    values = attrgetter(*names)
    return lambda value: tuple(map(type, values(value)))


def _is_scalar(part: inspect.Type) -> bool:
    if isinstance(part, inspect.UnionType):
        return all(map(_is_scalar, part.types))
    # One with limits to its values is more than its type.
    return isinstance(part, _SCALARS) and part == type(part)()
