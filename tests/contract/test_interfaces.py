import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_type_hints

import pytest

from pack_db.errors import PackDbError
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo, AsyncAccountRepo
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db.interfaces.query import is_query
from pack_db.interfaces.services import SERVICES
from pack_db.interfaces.token_repo import AsyncTokenRepo, TokenRepo
from pack_db_client.protocol.daemon_service import AsyncDaemonService, DaemonService
from tests.contract.test_accounts import NOBODY

PAIRS = [
    (AccountRepo, AsyncAccountRepo),
    (TokenRepo, AsyncTokenRepo),
    (DaemonService, AsyncDaemonService),
]


def methods(interface: type) -> dict[str, Callable[..., Any]]:
    return {n: m for n, m in vars(interface).items() if inspect.isfunction(m)}


@pytest.mark.parametrize(("interface", "async_interface"), PAIRS)
def test_an_interface_and_its_asyncio_twin_are_mirror_images(
    interface: type, async_interface: type
) -> None:
    sync, twin = methods(interface), methods(async_interface)
    assert list(sync) == list(twin)
    assert getattr(interface, "__abstractmethods__") == sync.keys()  # noqa: B009
    assert getattr(async_interface, "__abstractmethods__") == twin.keys()  # noqa: B009
    for name in sync:
        assert inspect.signature(sync[name]) == inspect.signature(twin[name])
        assert get_type_hints(sync[name]) == get_type_hints(twin[name])
        assert is_query(sync[name]) == is_query(twin[name])
        assert inspect.iscoroutinefunction(twin[name])
        assert not inspect.iscoroutinefunction(sync[name])


@pytest.mark.parametrize(("interface", "async_interface"), PAIRS)
def test_the_asyncio_twin_is_documented_by_the_interface(
    interface: type, async_interface: type
) -> None:
    assert f"`{interface.__name__}` for asyncio" in (async_interface.__doc__ or "")


def dump(database: DatabaseConnection) -> dict[str, list[Any]]:
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name: database.execute(f"SELECT * FROM {name} ORDER BY 1, 2") for (name,) in tables}


def test_a_query_changes_nothing(factory: ServiceFactory) -> None:
    account = factory.get_account_repo().create_account(CreateAccountInput(email="a@example.com"))
    found: dict[str, list[tuple[Any, ...]]] = {
        "accounts.get_account": [(account.id,), (NOBODY,), ("bad",)],
        "accounts.get_account_by_email": [(account.email,), ("b@example.com",), ("bad",)],
        "accounts.authenticate": [(account.api_key,), ("rs_" + "0" * 32,), ("bad",)],
        "accounts.list_accounts": [(), (account.id, 1), (None, 0)],
        "tokens.get_balance": [(account.id,), (NOBODY,), ("bad",)],
        "tokens.list_entries": [(account.id,), (account.id, 1, 1), (NOBODY,), (account.id, -1)],
        "tokens.list_ledger": [(), (account.id, 1, 1), (NOBODY,), ("bad",)],
    }
    marked = {
        f"{service}.{name}"
        for service, interface in SERVICES.items()
        for name, method in methods(interface).items()
        if is_query(method)
    }
    assert found.keys() == marked

    database = factory.get_database_connection()
    before = dump(database)
    assert len(before["accounts"]) == len(before["ledger_entries"]) == 1
    for method, calls in found.items():
        service, name = method.split(".")
        for arguments in calls:
            with suppress(PackDbError):  # one that fails must change nothing either
                getattr(factory.get_services()[service], name)(*arguments)
            assert dump(database) == before, (method, arguments)
