import itertools
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from pack_db.config import Config
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import Account, CreateAccountInput
from pack_db.interfaces.token_repo import TokenRepo
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.postgres_server import PostgresServer
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
def daemon_on_postgres(shared_postgres: PostgresServer) -> Iterator[DaemonProcess]:
    with running_daemon({"DB_URL": shared_postgres.new_database()}) as daemon:
        yield daemon


@pytest.fixture
def in_process_services(factory: ServiceFactory) -> Services:
    return in_process(factory)


@pytest.fixture
def client_services(shared_client: PackDb) -> Services:
    return through_client(shared_client)


@pytest.fixture(scope="package")
def async_services(shared_daemon: DaemonProcess) -> Iterator[Services]:
    with through_async_client(shared_daemon) as services:
        yield services


@pytest.fixture
def batch_services(shared_client: PackDb) -> Services:
    return through_batches(shared_client)


@pytest.fixture(scope="package")
def sweeping_services() -> Iterator[Services]:
    """A client of a daemon that commits the writes of several messages together."""
    with running_daemon({"WORKERS": "8"}) as daemon, daemon.client() as client:
        yield through_client(client)


@pytest.fixture(scope="package")
def in_process_on_postgres_services(shared_postgres: PostgresServer) -> Iterator[Services]:
    with closing(ServiceFactory(Config({"DB_URL": shared_postgres.new_database()}))) as factory:
        factory.get_database_connection().run_migrations()
        yield in_process(factory)


@pytest.fixture(scope="package")
def client_on_postgres_services(daemon_on_postgres: DaemonProcess) -> Iterator[Services]:
    with daemon_on_postgres.client() as client:
        yield through_client(client)


@pytest.fixture(scope="package")
def async_on_postgres_services(daemon_on_postgres: DaemonProcess) -> Iterator[Services]:
    with through_async_client(daemon_on_postgres) as services:
        yield services


@pytest.fixture(
    params=[
        "in_process",
        "client",
        "async",
        "batch",
        "sweeping",
        "in_process_on_postgres",
        "client_on_postgres",
        "async_on_postgres",
    ]
)
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
