from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from pack_db_client.protocol.methods import Method, methods_of
from pack_db_client.protocol.requests import Arguments

if TYPE_CHECKING:
    from typing_extensions import TypeForm  # type checkers know it without the package

Interface = TypeVar("Interface")


class Caller(Protocol):
    """Makes the calls of a stub."""

    @property
    def channel(self) -> object:
        """What they travel over."""

    def __call__(self, method: Method, arguments: Arguments) -> Any:
        """The result of one call, or an awaitable of it."""


def make_stub(service: str, interface: "TypeForm[Interface]", caller: Caller) -> Interface:
    """An implementation of `interface` whose methods are called by `caller`.

    Raises:
        TypeError: the interface has a method that cannot travel.
    """
    return cast(Interface, _stub_class(service, cast(type, interface))(caller))


def remote_method(function: Callable[..., Any], channel: object) -> Method:
    """The method of a service that a stub's method stands for.

    Raises:
        TypeError: it is no method of a stub whose calls travel over `channel`.
    """
    method = getattr(function, "remote_method", None)
    stub = getattr(function, "__self__", None)
    if not isinstance(method, Method) or not isinstance(stub, _Stub):
        raise TypeError(f"{function!r} is not a method of a service of this client")
    if stub._caller.channel is not channel:
        raise TypeError(f"{method.name} is a method of another client than this batch's")
    return method


class _Stub:
    def __init__(self, caller: Caller) -> None:
        self._caller = caller


@lru_cache
def _stub_class(service: str, interface: type) -> Callable[[Caller], object]:
    methods = {m.function_name: _stub_method(interface, m) for m in methods_of(service, interface)}
    return type(f"{interface.__name__}Stub", (_Stub, interface), methods)


def _stub_method(interface: type, method: Method) -> Callable[..., Any]:
    by_place = method.places

    @wraps(getattr(interface, method.function_name))
    def call(self: _Stub, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != by_place:
            return self._caller(method, method.pack_arguments(args, kwargs))
        return self._caller(method, args)

    # `wraps` copies the mark that makes it abstract, too.
    call.__dict__.update(__isabstractmethod__=False, remote_method=method)
    return call
