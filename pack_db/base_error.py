"""What all errors of `pack_db.errors` have in common: how they travel and are told apart."""

import os
import sys
from typing import Any, ClassVar, Self

_BY_CODE: dict[str, type["PackDbError"]] = {}


class PackDbError(Exception):
    """Base of all errors of pack-db and of the services it serves.

    A subclass with a `code` of its own travels as what it is, one without as its parent. It may
    have any constructor: what arrived is made without calling it.

    Args:
        message: what happened, on what, and what to do.
        details: numbers and names a caller may want, sent along with the message. A subclass
            that annotates a name of `details` offers it as an attribute.
    """

    code: ClassVar[str] = "error"
    details: dict[str, Any]
    _file: ClassVar[str | None] = None  # where the class statement stands

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._file = _file_of(cls)
        if "code" in vars(cls):
            former = _BY_CODE.get(cls.code)
            if former is not None and not _is_same(former, cls):
                raise TypeError(
                    f"{_name(cls)} and {_name(former)} share the code {cls.code!r}; "
                    "give one of them another"
                )
            _BY_CODE[cls.code] = cls

    def __new__(cls, *args: Any, **_: Any) -> Self:
        error = super().__new__(cls, *args)
        # For constructors that do not call ours; a frozen dataclass refuses setattr.
        vars(error)["details"] = {}
        return error

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        _set_details(self, details)

    # A class that is a KeyError as well would quote its text.
    __str__ = Exception.__str__

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own would call the constructor with what it gave to its parent's.
        return _again, (type(self), self.args, vars(self))


def error_from_wire(code: str, message: str, details: dict[str, Any]) -> PackDbError:
    """The error that was raised elsewhere, as its very class.

    One with a code that this process does not know is a `PackDbError` with that `code`.
    """
    cls = error_class(code)
    error = PackDbError.__new__(cls, message)
    if code != cls.code:
        vars(error)["code"] = code
    _set_details(error, details)
    return error


def error_class(code: str) -> type[PackDbError]:
    """The class that carries `code`; `PackDbError` itself for one this process does not know."""
    return _BY_CODE.get(code, PackDbError)


def details_to_send(error: PackDbError) -> dict[str, Any]:
    """The details, and what a constructor of its own keeps in annotated attributes only."""
    attributes = {name: getattr(error, name, None) for name in _attribute_names(type(error))}
    return {name: v for name, v in attributes.items() if v is not None} | error.details


def _set_details(error: PackDbError, details: dict[str, Any]) -> None:
    vars(error)["details"] = details
    for name in _attribute_names(type(error)):
        if name in details:
            vars(error)[name] = details[name]
        elif not hasattr(error, name):
            vars(error)[name] = None


def _attribute_names(cls: type[PackDbError]) -> list[str]:
    return [
        name
        for parent in cls.__mro__
        if parent not in PackDbError.__mro__
        for name in getattr(parent, "__annotations__", ())
    ]


def _again(
    cls: type[PackDbError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> PackDbError:
    error = PackDbError.__new__(cls, *args)
    vars(error).update(attributes)
    return error


def _is_same(former: type[PackDbError], cls: type[PackDbError]) -> bool:
    """Whether a class is defined again: a notebook's cell was run again, or a module was
    reloaded or imported under two names."""
    return former.__qualname__ == cls.__qualname__ and (
        former.__module__ == cls.__module__ or (former._file == cls._file is not None)
    )


def _file_of(cls: type) -> str | None:
    frame = sys._getframe()
    while frame.f_globals.get("__name__") != cls.__module__:
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return os.path.realpath(frame.f_code.co_filename)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
