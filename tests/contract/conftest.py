import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import Account, CreateAccountInput
from pack_db.interfaces.token_repo import TokenRepo
from pack_db_client import AsyncPackDb, PackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.support.services import (
    Services,
    in_process,
    through_async_client,
    through_batches,
    through_client,
)

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def shared_daemon() -> Iterator[DaemonProcess]:
    with running_daemon() as daemon:
        yield daemon


@pytest.fixture(scope="package")
def shared_client(shared_daemon: DaemonProcess) -> Iterator[PackDb]:
    with shared_daemon.client() as client:
        yield client


@pytest.fixture(scope="package")
def async_services(shared_daemon: DaemonProcess) -> Iterator[Services]:
    with asyncio.Runner() as runner:
        client = AsyncPackDb(shared_daemon.socket_path, timeout_s=PATIENCE_S)
        yield through_async_client(client, runner)
        runner.run(client.close())


@pytest.fixture
def in_process_services(factory: ServiceFactory) -> Services:
    return in_process(factory)


@pytest.fixture
def client_services(shared_client: PackDb) -> Services:
    return through_client(shared_client)


@pytest.fixture
def batch_services(shared_client: PackDb) -> Services:
    return through_batches(shared_client)


@pytest.fixture(params=["in_process", "client", "async", "batch"])
def services(request: pytest.FixtureRequest) -> Services:
    """Every implementation there is of the services, one after the other."""
    services: Services = request.getfixturevalue(f"{request.param}_services")
    return services


@pytest.fixture
def accounts(services: Services) -> AccountRepo:
    return services.accounts


@pytest.fixture
def tokens(services: Services) -> TokenRepo:
    return services.tokens


@pytest.fixture
def new_email() -> Callable[[], str]:
    """Makes addresses that nobody has."""
    return lambda: f"user{next(_numbers)}@example.com"


@pytest.fixture
def account(accounts: AccountRepo, new_email: Callable[[], str]) -> Account:
    """A fresh account of the free plan: an allowance of 1000 tokens, no top-up."""
    return accounts.create_account(CreateAccountInput(email=new_email()))
