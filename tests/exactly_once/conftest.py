import pytest

from pack_db_client import Account, CreateAccountInput, PackDb

PLENTY = 10**9


@pytest.fixture
def account(db: PackDb) -> Account:
    """An account with plenty of tokens, and its API key."""
    return db.accounts.create_account(
        CreateAccountInput(email="account@example.com", token_remaining=PLENTY)
    )
