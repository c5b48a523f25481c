from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

from typing_extensions import TypeForm

from pack_db_client.protocol.messages import Arguments
from pack_db_client.protocol.methods import Method, methods_of

Interface = TypeVar("Interface")
Send = Callable[[Method, Arguments], Any]


def make_stub(service: str, interface: TypeForm[Interface], send: Send) -> Interface:
    """An implementation of `interface` whose methods pass their arguments to `send`.

    Raises:
        TypeError: the interface has a method that cannot travel.
    """
    return cast(Interface, _stub_class(service, cast(type, interface))(send))


def remote_method(function: Callable[..., Any]) -> Method:
    """The method of a service that a stub's method stands for.

    Raises:
        TypeError: it is no stub's method.
    """
    method = getattr(function, "remote_method", None)
    if not isinstance(method, Method):
        raise TypeError(f"{function!r} is not a method of a service of this client")
    return method


class _Stub:
    def __init__(self, send: Send) -> None:
        self._send = send


@lru_cache
def _stub_class(service: str, interface: type) -> Callable[[Send], object]:
    methods = {m.function_name: _stub_method(interface, m) for m in methods_of(service, interface)}
    return type(f"{interface.__name__}Stub", (_Stub, interface), methods)


def _stub_method(interface: type, method: Method) -> Callable[..., Any]:
    @wraps(getattr(interface, method.function_name))
    def call(self: _Stub, *args: Any, **kwargs: Any) -> Any:
        return self._send(method, method.pack_arguments(args, kwargs))

    # `wraps` copies the mark that makes it abstract, too.
    call.__dict__.update(__isabstractmethod__=False, remote_method=method)
    return call
