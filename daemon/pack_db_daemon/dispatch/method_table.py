import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pack_db.errors import ConfigurationError
from pack_db_client.protocol.daemon_service import DAEMON_SERVICE, DaemonService
from pack_db_client.protocol.methods import Method, methods_of
from pack_db_daemon.dispatch.carried_types import check_carried
from pack_db_daemon.dispatch.promised_result import PromisedResult


def with_daemon_service(interfaces: Mapping[str, type]) -> dict[str, type]:
    """All that the daemon serves: the services of its factory and its own.

    Raises:
        ConfigurationError: a service has the name of the daemon's own.
    """
    if DAEMON_SERVICE in interfaces:
        raise ConfigurationError(
            f"service {DAEMON_SERVICE}: the daemon's own has this name; choose another"
        )
    return {**interfaces, DAEMON_SERVICE: DaemonService}


def methods_by_name(interfaces: Mapping[str, type]) -> dict[str, Method]:
    """What can be called, by "service.method".

    Raises:
        ConfigurationError: an interface cannot be served; the message says why.
    """
    methods: dict[str, Method] = {}
    for service, interface in interfaces.items():
        before = len(methods)
        try:
            for method in methods_of(service, interface):
                _refuse_async(method.name, getattr(interface, method.function_name))
                _check_types(method, interface)
                methods[method.name] = method
        except (TypeError, NameError) as exc:  # a type hint may name what is not there
            raise ConfigurationError(f"service {service} cannot be served: {exc}") from exc
        if len(methods) == before:
            raise ConfigurationError(
                f"service {service} cannot be served: "
                f"{getattr(interface, '__name__', interface)} has no @abstractmethod; "
                "name the interface, not its implementation"
            )
    return methods


def _refuse_async(name: str, function: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{name} is 'async def'; the daemon calls plain functions only")


def _check_types(method: Method, interface: type) -> None:
    for name, type_hint in get_type_hints(getattr(interface, method.function_name)).items():
        try:
            check_carried(type_hint)
        except TypeError as exc:
            where = "the result" if name == "return" else name
            raise TypeError(f"{method.name}: {where}: {exc}") from exc


class ServedMethod:
    """A method off the interface, and the implementation that answers it."""

    def __init__(self, method: Method, function: Callable[..., Any]) -> None:
        self.name = method.name
        self.is_query = method.is_query
        self.unpack_arguments = method.unpack_arguments
        self.function = function
        self.encode_result = PromisedResult(method.result_type).encode


class MethodTable:
    """Everything that can be called, made once; nothing else can be reached by name.

    Args:
        interfaces: service name -> interface.
        services: service name -> implementation, for the same names.

    Raises:
        ConfigurationError: an interface cannot be served, or an implementation is missing or
            is not one of its interface.
    """

    def __init__(self, interfaces: Mapping[str, type], services: Mapping[str, object]) -> None:
        served: dict[str, ServedMethod] = {}
        for service, interface in interfaces.items():
            methods = methods_by_name({service: interface})
            implementation = services.get(service)
            if not isinstance(implementation, interface):
                raise ConfigurationError(
                    f"service {service}: get_services() has {type(implementation).__name__} "
                    f"for it, which is no {interface.__name__}"
                )
            for method in methods.values():
                function = getattr(implementation, method.function_name)
                try:
                    _refuse_async(f"{type(implementation).__name__}.{function.__name__}", function)
                except TypeError as exc:
                    raise ConfigurationError(f"service {service}: {exc}") from exc
                served[method.name] = ServedMethod(method, function)
        self.get = served.get
        """The method of that name ("service.method"), or None."""
