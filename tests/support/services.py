import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from typing_extensions import TypeForm

from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import Account
from pack_db.interfaces.token_repo import TokenRepo
from pack_db_client import AsyncPackDb, PackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

Interface = TypeVar("Interface")


@dataclass(frozen=True)
class Services:
    """The services, whatever is behind them."""

    accounts: AccountRepo
    tokens: TokenRepo


def existing(account: Account | None) -> Account:
    assert account is not None
    return account


def in_process(factory: ServiceFactory) -> Services:
    return Services(factory.get_account_repo(), factory.get_token_repo())


def through_client(db: PackDb) -> Services:
    return Services(db.accounts, db.tokens)


@contextmanager
def through_async_client(daemon: DaemonProcess) -> Iterator[Services]:
    """Each call runs its coroutine to the end."""
    with asyncio.Runner() as runner:
        db = AsyncPackDb(daemon.socket_path, timeout_s=PATIENCE_S)

        def call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            return runner.run(method(*args, **kwargs))

        yield Services(
            _forwarding(AccountRepo, db.accounts, call),
            _forwarding(TokenRepo, db.tokens, call),
        )
        runner.run(db.close())


def through_batches(db: PackDb) -> Services:
    """Each call is a batch of one."""

    def call(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with db.batch() as batch:
            result = batch.submit(method, *args, **kwargs)
        return result.result()

    return Services(
        _forwarding(AccountRepo, db.accounts, call),
        _forwarding(TokenRepo, db.tokens, call),
    )


def _forwarding(
    interface: TypeForm[Interface], target: object, call: Callable[..., Any]
) -> Interface:
    """An implementation of `interface` that passes each of target's methods to `call`."""

    def forward(name: str) -> Callable[..., Any]:
        return lambda self, *args, **kwargs: call(getattr(target, name), *args, **kwargs)

    base = cast(type, interface)
    names: frozenset[str] = getattr(base, "__abstractmethods__")  # noqa: B009  # not in `type`
    made = type(f"Forwarding{base.__name__}", (base,), {name: forward(name) for name in names})
    return cast(Interface, made())
