"""Which services the configuration asks for."""

import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

    Raises:
        ConfigurationError: there is no such class, or it takes a name of pack-db's own.
    """
    from pack_db.impls.service_factory import ServiceFactory

    if config.service_factory is None:
        return ServiceFactory
    named = _load(config.service_factory)
    if not isinstance(named, type) or not issubclass(named, ServiceFactory):
        raise _refused(
            config.service_factory, "is no subclass of ServiceFactory (package.module:ClassName)"
        )
    for attribute in ("services", "migrations"):
        mine, theirs = getattr(ServiceFactory, attribute), getattr(named, attribute)
        for name in theirs:
            if not name.isidentifier():
                raise _refused(config.service_factory, f"{attribute}: {name!r} is no identifier")
        for name in mine:
            if theirs.get(name) is not mine[name]:
                raise _refused(
                    config.service_factory,
                    f"{attribute}: {name!r} is pack-db's own and must stay as it is; choose "
                    f"other names for yours and add them: ServiceFactory.{attribute} | {{...}}",
                )
    return named


def interfaces(config: Config) -> Mapping[str, type]:
    """Service name -> interface, of all that is served.

    Raises:
        ConfigurationError: as `factory_class`.
    """
    # A program that only calls the daemon does without Peewee, which every factory needs.
    return SERVICES if config.service_factory is None else factory_class(config).services


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
