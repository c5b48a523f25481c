from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_MARK = "__pack_db_query__"


def query(method: Method) -> Method:
    """Mark a method of a service interface as one that only reads.

    A method without the mark is a write: it runs in a transaction and is remembered, so that
    a retry never applies it twice. A query pays for none of that.
    """
    setattr(method, _MARK, True)
    return method


def is_query(method: Callable[..., Any]) -> bool:
    """Whether a method of an interface was marked with `query`."""
    return getattr(method, _MARK, False)
