import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_type_hints

import click

from pack_db_client.protocol.methods import Method

_MODULES = re.compile(r"\b(?:\w+\.)+(?=\w)")


def write_method_help(formatter: click.HelpFormatter, method: Method, interface: type) -> None:
    """Usage, docstring, and the arguments with their types and fields."""
    function = inspect.getattr_static(interface, method.function_name)
    formatter.write_usage("pack-db", f"call {method.name} [JSON | KEY=VALUE ...]")
    formatter.write_paragraph()
    for line in (inspect.getdoc(function) or "").splitlines():
        formatter.write(f"  {line}".rstrip() + "\n")
    hints = get_type_hints(function)
    rows: list[tuple[str, str]] = []
    for parameter in method.signature.parameters.values():
        hint, default = hints[parameter.name], parameter.default
        shown = "" if default is parameter.empty else f" [default: {default!r}]"
        rows.append((parameter.name, _type(hint) + shown))
        rows += [(f"  {name}", kind) for part in _parts(hint) for name, kind in _fields(part)]
    if rows:
        with formatter.section("Arguments"):
            formatter.write_dl(rows)
    formatter.write_paragraph()
    formatter.write_text(f"Result: {_type(hints['return'])}")


def _type(hint: Any) -> str:
    return _MODULES.sub("", inspect.formatannotation(hint))


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _fields(hint: Any) -> Iterator[tuple[str, str]]:
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        for field in fields(hint):
            optional = field.default is not MISSING or field.default_factory is not MISSING
            kind = _type(hints[field.name])
            yield field.name, f"{kind}, optional" if optional else kind
