import inspect
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from types import FunctionType
from typing import Any

import pytest

import pack_db
import pack_db.interfaces
import pack_db.interfaces.entities

PUBLIC = (
    "pack_db.base_error",
    "pack_db.config",
    "pack_db.errors",
    "pack_db.impls.service_factory",
    "pack_db.impls.database.database_connection",
    "pack_db_client.async_pack_db",
    "pack_db_client.batch",
    "pack_db_client.pack_db",
    "pack_db_client.protocol.daemon_service",
    "pack_db_daemon.daemon",
    *(
        f"{package.__name__}.{module.name}"
        for package in (pack_db.interfaces, pack_db.interfaces.entities)
        for module in iter_modules(package.__path__)
    ),
)

_MEMBERS = (FunctionType, classmethod, staticmethod, property, cached_property)


def things(module_name: str) -> Iterator[tuple[str, Any]]:
    """All public classes, functions and methods that are defined there, by name."""
    module = import_module(module_name)
    for name, thing in vars(module).items():
        is_ours = getattr(thing, "__module__", "") == module_name
        # An asyncio twin is described by its interface, which a test of its own checks.
        if name.startswith(("_", "Async")) and name != "AsyncPackDb":
            continue
        if is_ours and (inspect.isclass(thing) or inspect.isfunction(thing)):
            yield name, thing
            for member in vars(thing) if inspect.isclass(thing) else ():
                value = inspect.getattr_static(thing, member)
                if not member.startswith("_") and isinstance(value, _MEMBERS):
                    yield f"{name}.{member}", getattr(thing, member)


@pytest.mark.parametrize("module_name", PUBLIC)
def test_all_that_is_public_says_what_it_is(module_name: str) -> None:
    for name, thing in things(module_name):
        said = inspect.getdoc(thing) or ""
        # A dataclass without a docstring has its signature.
        assert said, name
        assert not said.startswith(f"{name}("), f"{name} has no docstring"
        assert said[0].isupper() or said[0] == "`", f"{name}: {said}"


def test_every_error_says_what_happened_by_itself() -> None:
    for name, error in things("pack_db.errors"):
        assert vars(error)["__doc__"], name
