from collections.abc import Callable, Mapping
from typing import Any

from pack_db_client.protocol.methods import Method, methods_of


class ServedMethod:
    """A method off the interface, and the implementation that answers it."""

    def __init__(self, method: Method, function: Callable[..., Any]) -> None:
        self.name = method.name
        self.is_query = method.is_query
        self.convert_arguments = method.convert_arguments
        self.function = function


class MethodTable:
    """Everything that can be called, made once; nothing else can be reached by name.

    Args:
        interfaces: service name -> interface.
        services: service name -> implementation, for the same names.

    Raises:
        TypeError: an implementation is missing or is not one of its interface.
    """

    def __init__(self, interfaces: Mapping[str, type], services: Mapping[str, object]) -> None:
        self._methods: dict[str, ServedMethod] = {}
        for service, interface in interfaces.items():
            implementation = services.get(service)
            if not isinstance(implementation, interface):
                raise TypeError(f"service {service}: {implementation!r} is no {interface.__name__}")
            for method in methods_of(service, interface):
                function = getattr(implementation, method.function_name)
                self._methods[method.name] = ServedMethod(method, function)

    def get(self, name: str) -> ServedMethod | None:
        return self._methods.get(name)
