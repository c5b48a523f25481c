from collections.abc import Callable
from dataclasses import fields, is_dataclass
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin

import msgspec
from msgspec import inspect

from pack_db_client.protocol.exact_types import misfit
from pack_db_client.protocol.packing import pack_known
from pack_db_client.protocol.replies import OK, encode_value

_BYTES = (bytes,)  # else msgspec makes text of them, as base64
_SCALARS = (
    inspect.IntType,
    inspect.FloatType,
    inspect.StrType,
    inspect.BoolType,
    inspect.NoneType,
    inspect.BytesType,
    inspect.DateType,
    inspect.DecimalType,
    inspect.UUIDType,  # but no datetime: whether it has a time zone is more than its type
)
_KNOWN = 64  # combinations of types; more of them are checked each time


class PromisedResult:
    """Encodes what a method returned, if that is what its interface promises.

    Most methods return a dataclass of plain values, or a list of them. Of those it remembers
    which types of fields were right, as looking at the types is cheaper than at the values.
    """

    def __init__(self, promised: Any) -> None:
        self._promised = promised
        self._part = inspect.type_info(promised)
        self._listed, self._entity = _outline(promised)
        self._values_of = _plain_values(self._entity) if self._entity else None
        self._scalar = promised if promised in (str, int, bool, float, bytes, NoneType) else None
        self._known: set[tuple[type, ...]] = set()

    def encode(self, value: Any) -> bytes:
        """
        Raises:
            TypeError, ValueError: it is of another type, or cannot travel.
            Exception: whatever its methods raise.
        """
        if (values_of := self._values_of) is not None:
            entity, known = self._entity, self._known
            if not self._listed:
                if type(value) is entity and (*map(type, values_of(value)),) in known:
                    return pack_known((OK, value))
            elif type(value) is list and all(
                type(each) is entity and (*map(type, values_of(each)),) in known for each in value
            ):
                return pack_known((OK, value))
        elif type(value) is self._scalar:
            return pack_known((OK, value))
        if (problem := misfit(value, self._part)) is not None:
            raise TypeError(problem)
        plain = msgspec.to_builtins(value, builtin_types=_BYTES)
        msgspec.convert(plain, self._promised, builtin_types=_BYTES)  # which knows limits, too
        encoded = encode_value(plain)
        if values_of is not None and value is not None and len(self._known) < _KNOWN:
            for each in value if self._listed else [value]:
                self._known.add((*map(type, values_of(each)),))
        return encoded


def _outline(promised: Any) -> tuple[bool, type | None]:
    """Whether it is a list, and the dataclass that it or its items are."""
    listed = False
    if get_origin(promised) in (Union, UnionType) and NoneType in get_args(promised):
        [*others] = [p for p in get_args(promised) if p is not NoneType]
        promised = others[0] if len(others) == 1 else None
    if get_origin(promised) is list:
        listed, [promised] = True, get_args(promised)
    is_entity = isinstance(promised, type) and is_dataclass(promised)
    return listed, promised if is_entity else None


def _plain_values(entity: type) -> Callable[[Any], tuple[Any, ...]] | None:
    """Gives an entity's values; None if it is more than their types that counts."""
    part = cast(inspect.DataclassType, inspect.type_info(entity))
    names = [field.name for field in fields(entity)]
    if not all(_is_scalar(field.type) for field in part.fields) or len(names) < 2:
        return None
    return attrgetter(*names)


def _is_scalar(part: inspect.Type) -> bool:
    if isinstance(part, inspect.UnionType):
        return all(map(_is_scalar, part.types))
    # One with limits to its values is more than its type.
    return isinstance(part, inspect.EnumType) or (
        isinstance(part, _SCALARS) and part == type(part)()
    )
