from abc import ABC, abstractmethod

from pack_db.interfaces.entities.token import LedgerEntry, TokenBalance
from pack_db.interfaces.query import query


class TokenRepo(ABC):
    """The tokens of an account, and the append-only ledger of every change to them.

    Amounts are whole tokens, 1 to 2**53 - 1. Every method raises `InvalidInput` for an argument
    that breaks a rule, `AccountNotFound` for an unknown id, and a `StorageError` when the
    database fails. A method that raises has changed nothing.
    """

    @abstractmethod
    @query
    def get_balance(self, account_id: str) -> TokenBalance:
        """The tokens that an account has left."""

    @abstractmethod
    def consume_tokens(
        self, account_id: str, amount: int, *, allow_overdraft: bool = False
    ) -> TokenBalance:
        """Take tokens in one atomic step, the plan's allowance before the top-up.

        Args:
            allow_overdraft: book usage that has already happened: take the tokens even if there
                are too few or the account is inactive. What is missing becomes a debt, a
                `topup_remaining` below 0, which the next top-up pays first.

        Raises:
            InsufficientTokens: fewer than `amount` are left.
            AccountInactive: the account is not active.
        """

    @abstractmethod
    def top_up(self, account_id: str, amount: int) -> TokenBalance:
        """Add bought tokens, which no renewal takes away.

        Raises:
            InvalidInput: also when the top-up would exceed 2**53 - 1.
        """

    @abstractmethod
    def renew_plan(self, account_id: str, token_remaining: int | None = None) -> TokenBalance:
        """Set the allowance anew, as at the start of a billing period. The top-up stays.

        Args:
            token_remaining: tokens of the new allowance; None is what the account's plan grants.

        Raises:
            InvalidInput: also for None on a plan without a known allowance.
        """

    @abstractmethod
    @query
    def list_entries(self, account_id: str, after: int = 0, limit: int = 100) -> list[LedgerEntry]:
        """Read one page of the account's ledger, oldest first.

        Args:
            after: `number` of the last entry of the page before; 0 for the first page.
            limit: entries at most, 1 to 500.
        """

    @abstractmethod
    @query
    def list_ledger(
        self, after_account_id: str | None = None, after_number: int = 0, limit: int = 100
    ) -> list[LedgerEntry]:
        """Read one page of the ledger of all accounts, in the order of `list_accounts`.

        Unknown ids are no error: the page begins where their entries would be.

        Args:
            after_account_id: `account_id` of the last entry of the page before; None for the
                first page.
            after_number: `number` of that entry.
            limit: entries at most, 1 to 500.
        """


class AsyncTokenRepo(ABC):
    """`TokenRepo` for asyncio: the same methods, arguments, results and errors."""

    @abstractmethod
    @query
    async def get_balance(self, account_id: str) -> TokenBalance: ...

    @abstractmethod
    async def consume_tokens(
        self, account_id: str, amount: int, *, allow_overdraft: bool = False
    ) -> TokenBalance: ...

    @abstractmethod
    async def top_up(self, account_id: str, amount: int) -> TokenBalance: ...

    @abstractmethod
    async def renew_plan(
        self, account_id: str, token_remaining: int | None = None
    ) -> TokenBalance: ...

    @abstractmethod
    @query
    async def list_entries(
        self, account_id: str, after: int = 0, limit: int = 100
    ) -> list[LedgerEntry]: ...

    @abstractmethod
    @query
    async def list_ledger(
        self, after_account_id: str | None = None, after_number: int = 0, limit: int = 100
    ) -> list[LedgerEntry]: ...
