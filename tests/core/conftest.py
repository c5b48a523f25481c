import pytest

from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.token_repo import TokenRepo


@pytest.fixture
def database(factory: ServiceFactory) -> DatabaseConnection:
    """An open database with the newest schema."""
    return factory.get_database_connection()


@pytest.fixture
def accounts(factory: ServiceFactory) -> AccountRepo:
    return factory.get_account_repo()


@pytest.fixture
def tokens(factory: ServiceFactory) -> TokenRepo:
    return factory.get_token_repo()
