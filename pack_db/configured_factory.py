"""Which services the configuration asks for."""

import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError
from pack_db.interfaces.service_factory import AbstractServiceFactory
from pack_db.interfaces.services import SERVICES

if TYPE_CHECKING:
    from pack_db.impls.service_factory import ServiceFactory


@contextmanager
def configured_factory(config: Config) -> Iterator[AbstractServiceFactory]:
    """The factory of this process, of the class that SERVICE_FACTORY names, until the block ends.

    Raises:
        ConfigurationError: as `factory_class`.
    """
    factory = factory_class(config).get_instance(config)
    try:
        yield factory
    finally:
        factory.reset()


def factory_class(config: Config) -> "type[ServiceFactory]":
    """The class that SERVICE_FACTORY names; pack-db's own where it names none.

    Where it names several, one that inherits from all of them, so that each one's `get_services`
    adds its own to those of the next.

    Raises:
        ConfigurationError: there is no such class, or a name is taken twice.
    """
    from pack_db.impls.service_factory import ServiceFactory

    if config.service_factory is None:
        return ServiceFactory
    names = [name.strip() for name in config.service_factory.split(",")]
    classes = {name: _factory_named(name) for name in names}
    return _composed(tuple(classes.items()))


def interfaces(config: Config) -> Mapping[str, type]:
    """Service name -> interface, of all that is served.

    Raises:
        ConfigurationError: as `factory_class`.
    """
    # A program that only calls the daemon does without Peewee, which every factory needs.
    return SERVICES if config.service_factory is None else factory_class(config).services


def migrations_of_others(config: Config) -> Mapping[str, Path]:
    """Package -> the directory of its migrations, of the packages that SERVICE_FACTORY brings.

    Raises:
        ConfigurationError: as `factory_class`.
    """
    from pack_db.impls.service_factory import ServiceFactory

    of_all = factory_class(config).migrations
    return {name: path for name, path in of_all.items() if name not in ServiceFactory.migrations}


def _factory_named(name: str) -> "type[ServiceFactory]":
    from pack_db.impls.service_factory import ServiceFactory

    named = _load(name)
    if not isinstance(named, type) or not issubclass(named, ServiceFactory):
        raise _refused(name, "is no subclass of ServiceFactory (package.module:ClassName)")
    for attribute in ("services", "migrations"):
        mine, theirs = getattr(ServiceFactory, attribute), getattr(named, attribute)
        for key in theirs:
            if not key.isidentifier():
                raise _refused(name, f"{attribute}: {key!r} is no identifier")
        for key in mine:
            if theirs.get(key) is not mine[key]:
                raise _refused(
                    name,
                    f"{attribute}: {key!r} is pack-db's own and must stay as it is; choose "
                    f"other names for yours and add them: ServiceFactory.{attribute} | {{...}}",
                )
    return named


@lru_cache  # of the same names it is the same class
def _composed(named: "tuple[tuple[str, type[ServiceFactory]], ...]") -> "type[ServiceFactory]":
    (first, cls), *others = named
    if not others:
        return cls
    merged: dict[str, dict[str, Any]] = {}
    for attribute in ("services", "migrations"):
        of_all: dict[str, tuple[str, object]] = {}
        for name, each in named:
            for key, value in getattr(each, attribute).items():
                owner, taken = of_all.setdefault(key, (name, value))
                if taken is not value:
                    raise _refused(name, f"{attribute}: {owner} has {key!r}, too; rename one")
        merged[attribute] = {key: value for key, (_, value) in of_all.items()}
    bases = tuple(each for _, each in named)
    name = "And".join(each.__name__ for each in bases)
    try:
        composed: type[ServiceFactory] = type(name, bases, merged)
    except TypeError as exc:
        reason = " ".join(str(exc).split())
        raise _refused(first, f"cannot be composed with the others: {reason}") from exc
    return composed


def _load(name: str) -> object:
    try:
        return pkgutil.resolve_name(name)
    except ValueError as exc:
        raise _refused(name, "must have the form package.module:ClassName") from exc
    except AttributeError as exc:
        raise _refused(name, f"{exc}") from exc
    except ModuleNotFoundError as exc:
        raise _refused(name, f"{exc}; install it where pack-db is installed") from exc
    except Exception as exc:  # whatever the module does when it is imported
        raise _refused(name, f"cannot be imported: {type(exc).__name__}: {exc}") from exc


def _refused(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"{ConfigKeys.SERVICE_FACTORY}: {name}: {reason}")
