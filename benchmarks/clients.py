"""What an adapter's connections can do."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.workload import Operation


class Client(Protocol):
    """A connection of one client process."""

    def get(self, account_id: str, /) -> object:
        """All fields of the account, as a mapping or an entity."""

    def consume(self, account_id: str, /) -> int:
        """Take one token; the allowance that is left."""

    def create(self, email: str, /) -> object:
        """All fields of the new account."""

    def close(self) -> None: ...


class BatchClient(Client, Protocol):
    """A client that can send many calls at once."""

    def batch(self, operation: Operation, arguments: Sequence[str], /) -> object:
        """The results, each as the operation returns it."""


class AsyncClient(Protocol):
    """`Client` for asyncio."""

    async def get(self, account_id: str, /) -> object: ...

    async def consume(self, account_id: str, /) -> int: ...

    async def create(self, email: str, /) -> object: ...

    async def close(self) -> None: ...
