from abc import ABC, abstractmethod

from pack_db.interfaces.entities.account import Account, CreateAccountInput, UpdateAccountInput
from pack_db.interfaces.query import query


class AccountRepo(ABC):
    """Accounts. An e-mail address is trimmed, unique, and compared without regard to case.

    Every method raises `InvalidInput` for an argument that breaks a rule, and a `StorageError`
    when the database fails. A method that raises has changed nothing.
    """

    @abstractmethod
    def create_account(self, account: CreateAccountInput) -> Account:
        """Open an active account with its allowance of tokens.

        Returns:
            The account with its full `api_key`, which cannot be read again.

        Raises:
            InvalidInput: also for an unknown plan without an explicit `token_remaining`.
            EmailTaken: another account has this address.
        """

    @abstractmethod
    @query
    def get_account(self, account_id: str) -> Account | None:
        """The account with this id; None for any other text."""

    @abstractmethod
    @query
    def get_account_by_email(self, email: str) -> Account | None:
        """The account with this address; None for any other text."""

    @abstractmethod
    @query
    def authenticate(self, api_key: str) -> Account:
        """Find the active account that an API key belongs to.

        Raises:
            InvalidApiKey: the key is malformed, unknown or was replaced.
            AccountInactive: the key is right, the account is not active.
        """

    @abstractmethod
    def rotate_api_key(self, account_id: str) -> Account:
        """Replace the API key; the old one stops working at once.

        Returns:
            The account with its full new `api_key`, which cannot be read again.

        Raises:
            AccountNotFound: no account has this id.
        """

    @abstractmethod
    def update_account(self, account_id: str, changes: UpdateAccountInput) -> Account:
        """Change e-mail address, plan or status. Tokens stay as they are.

        Raises:
            InvalidInput: also when `changes` changes nothing.
            AccountNotFound: no account has this id.
            EmailTaken: another account has the new address.
        """

    @abstractmethod
    @query
    def list_accounts(self, after: str | None = None, limit: int = 100) -> list[Account]:
        """Read one page of accounts, oldest first.

        Args:
            after: id of the last account of the page before; None for the first page.
            limit: accounts at most, 1 to 500.
        """

    @abstractmethod
    def delete_account(self, account_id: str) -> None:
        """Delete an account and its ledger.

        Raises:
            AccountNotFound: no account has this id.
        """


class AsyncAccountRepo(ABC):
    """`AccountRepo` for asyncio: the same methods, arguments, results and errors."""

    @abstractmethod
    async def create_account(self, account: CreateAccountInput) -> Account: ...

    @abstractmethod
    @query
    async def get_account(self, account_id: str) -> Account | None: ...

    @abstractmethod
    @query
    async def get_account_by_email(self, email: str) -> Account | None: ...

    @abstractmethod
    @query
    async def authenticate(self, api_key: str) -> Account: ...

    @abstractmethod
    async def rotate_api_key(self, account_id: str) -> Account: ...

    @abstractmethod
    async def update_account(self, account_id: str, changes: UpdateAccountInput) -> Account: ...

    @abstractmethod
    @query
    async def list_accounts(self, after: str | None = None, limit: int = 100) -> list[Account]: ...

    @abstractmethod
    async def delete_account(self, account_id: str) -> None: ...
