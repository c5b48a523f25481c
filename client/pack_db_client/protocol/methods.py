import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect as inspect_types
from msgspec.structs import astuple

from pack_db.errors import InternalError, InvalidInput
from pack_db.interfaces.query import is_query
from pack_db_client.protocol.exact_types import misfit, parts_of, travels_as_another
from pack_db_client.protocol.replies import OK, decode_result, result_value
from pack_db_client.protocol.requests import Arguments, Call
from pack_db_client.protocol.strictness import is_looked_into, let_pass, shown, unknown_field
from pack_db_client.protocol.untrusted import BROKEN, MAX_NESTING, is_nested_too_deep
from pack_db_client.protocol.wording import in_words

_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_BYTES = (bytes,)  # else msgspec takes text for them, as base64


class Method:
    """A service's method as the wire knows it, made from its signature in the interface.

    Raises:
        TypeError: the signature has no type hints, or parameters that cannot travel by name.
    """

    def __init__(self, service: str, function: Callable[..., Any]) -> None:
        self.function_name = function.__name__
        self.name = f"{service}.{function.__name__}"
        self.is_query = is_query(function)
        signature = inspect.signature(function)
        hints = get_type_hints(function)
        parameters = list(signature.parameters.values())[1:]  # without self
        for parameter in parameters:
            if parameter.kind not in (_POSITIONAL, _KEYWORD):
                raise TypeError(f"{self.name}: {parameter} cannot be passed by name")
        missing = {p.name for p in parameters} - hints.keys()
        if missing or "return" not in hints:
            raise TypeError(f"{self.name}: needs type hints for all arguments and the result")
        self.signature = signature.replace(parameters=parameters)
        self.result_type = hints["return"]
        self._positional = tuple(p.name for p in parameters if p.kind is _POSITIONAL)
        self._keywords = tuple(p.name for p in parameters if p.kind is _KEYWORD)
        self._keyword_defaults = {
            p.name: p.default for p in parameters if p.kind is _KEYWORD and p.default is not p.empty
        }
        self._takes = ", ".join(p.name for p in parameters) or "no arguments"
        self._hints = hints

    def pack_arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments of a Python call in the shape in which they travel.

        Raises:
            TypeError: the call does not fit the signature, as for any Python function.
            InvalidInput: an argument is of another type than its hint says, where that cannot be
                told from what travels.
        """
        if not kwargs and len(args) == self.places:
            return args
        arguments = self.signature.bind(*args, **kwargs).arguments
        return self._as_they_travel(arguments) if self._travel_as_others else arguments

    def unpack_arguments(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """As `convert_arguments`.

        Raises:
            BadRequest: they are no arguments of this protocol.
            InvalidInput: as `convert_arguments`.
        """
        if self._is_plain:
            try:
                return astuple(self._unpack_array(call.packed)), self._keyword_defaults
            except BROKEN:
                pass  # whose fault it is needs a closer look
        return self.convert_arguments(call.arguments)

    def convert_arguments(self, arguments: Arguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments off the wire, strictly checked against the type hints, ready to call with.

        Raises:
            InvalidInput: one is missing, surplus, or of another type.
        """
        if self._looked_into and is_nested_too_deep(arguments):
            raise InvalidInput(f"{self.name}: an argument is nested more than {MAX_NESTING} deep")
        if not isinstance(arguments, dict):
            if len(arguments) > len(self._positional):
                raise InvalidInput(f"{self.name}: too many arguments; it takes {self._takes}")
            arguments = dict(zip(self._positional, arguments, strict=False))
        try:
            checked = msgspec.convert(arguments, self._map, builtin_types=_BYTES)
        except msgspec.ValidationError as exc:
            raise InvalidInput(f"{self.name}: {self._problem(arguments, exc)}") from None
        self._refuse_let_pass(arguments)
        positional = tuple(getattr(checked, name) for name in self._positional)
        return positional, {name: getattr(checked, name) for name in self._keywords}

    def decode_result(self, result: msgspec.Raw) -> Any:
        """A result off the wire, still encoded, as the object that the service returned.

        Raises:
            PackDbError: what the service raised, of the same class.
            InternalError: as `convert_result`.
        """
        try:
            return self._unpack_success(result).value
        except BROKEN:
            return self.convert_result(result_value(decode_result(result)))

    def convert_result(self, value: Any) -> Any:
        """A decoded result as the object that the service returned.

        Raises:
            InternalError: it is of another type than this program's interface promises.
        """
        try:
            return msgspec.convert(value, self.result_type, builtin_types=_BYTES)
        except (msgspec.ValidationError, RecursionError) as exc:
            raise InternalError(
                f"{self.name}: the daemon returned something else than this program's interface "
                f"promises ({exc}); are both of one version?"
            ) from exc

    # Cached, since a client needs few of them.

    @cached_property
    def _unpack_success(self) -> Callable[[msgspec.Raw], Any]:
        fields = [("value", self.result_type)]
        success = msgspec.defstruct("Success", fields, array_like=True, tag=OK, gc=False)
        return msgspec.msgpack.Decoder(success).decode

    @cached_property
    def places(self) -> int | None:
        """How many arguments without names travel just as they are; None if no number does."""
        return len(self._positional) if self._works_by_place else None

    @cached_property
    def _works_by_place(self) -> bool:
        """Whether a call with all positional arguments says all, just as they are."""
        has_defaults = len(self._keyword_defaults) == len(self._keywords)
        return has_defaults and not self._travel_as_others

    @cached_property
    def _travel_as_others(self) -> bool:
        hints = (self._hints[name] for name in self.signature.parameters)
        return any(travels_as_another(part) for hint in hints for part in parts_of(hint))

    @cached_property
    def _is_plain(self) -> bool:
        """Whether what msgspec reads is right: it is not strict about what is in a map."""
        return self._works_by_place and not self._looked_into

    @cached_property
    def _unpack_array(self) -> Callable[[msgspec.Raw], msgspec.Struct]:
        array = msgspec.defstruct(
            self.function_name,
            self._fields(_POSITIONAL),
            array_like=True,
            forbid_unknown_fields=True,
        )
        return msgspec.msgpack.Decoder(array).decode

    @cached_property
    def _map(self) -> type[msgspec.Struct]:
        return msgspec.defstruct(
            self.function_name,
            self._fields(_POSITIONAL, _KEYWORD),
            kw_only=True,
            forbid_unknown_fields=True,
        )

    @cached_property
    def _parts(self) -> dict[str, inspect_types.Type]:
        return {p: inspect_types.type_info(self._hints[p]) for p in self.signature.parameters}

    @cached_property
    def _looked_into(self) -> dict[str, inspect_types.Type]:
        """The parameters of which msgspec may let something pass."""
        return {name: part for name, part in self._parts.items() if is_looked_into(part)}

    def _as_they_travel(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            for name, value in arguments.items():
                if (problem := misfit(value, self._parts[name])) is not None:
                    raise InvalidInput(f"{self.name}: {name}: {problem}")
            plain: dict[str, Any] = msgspec.to_builtins(arguments, builtin_types=_BYTES)
        except (TypeError, RecursionError) as exc:
            raise InvalidInput(f"{self.name}: an argument cannot be sent: {exc}") from exc
        return plain

    def _refuse_let_pass(self, arguments: dict[str, Any]) -> None:
        for name, part in self._looked_into.items():
            if name in arguments and (problem := let_pass(arguments[name], part)) is not None:
                raise InvalidInput(f"{self.name}: {name}: {problem}")

    def _fields(self, *kinds: inspect._ParameterKind) -> list[Any]:
        return [
            (p.name, self._hints[p.name])
            if p.default is p.empty
            else (p.name, self._hints[p.name], p.default)
            for p in self.signature.parameters.values()
            if p.kind in kinds
        ]

    def _problem(self, arguments: dict[str, Any], exc: msgspec.ValidationError) -> str:
        for name, value in arguments.items():
            if name not in self.signature.parameters:
                return f"unknown argument{shown(name)}; it takes {self._takes}"
            if (problem := unknown_field(value, self._parts[name])) is not None:
                return f"{name}: {problem}"
        return in_words(str(exc))


def methods_of(service: str, interface: type) -> Iterator[Method]:
    """What a service offers: the abstract methods of its interface."""
    names: frozenset[str] = getattr(interface, "__abstractmethods__", frozenset())
    for name in sorted(names):
        yield Method(service, inspect.getattr_static(interface, name))
