"""What is asked of every peer, and how. All writes are durable: they survive a power failure."""

import random
from collections.abc import Sequence
from enum import StrEnum

IN_FLIGHT = 64


class Operation(StrEnum):
    GET = "get"  # read all fields of a random account
    CONSUME = "consume"  # take one token off a random account, in one atomic step
    CREATE = "create"  # add an account


class Load(StrEnum):
    """Who calls."""

    ONE_CLIENT = "1"
    CLIENT_PROCESSES = "8"
    MIXED = "4+4"
    IN_FLIGHT = "64"
    BATCHES = "batches"
    MEMORY = "memory"

    @property
    def description(self) -> str:
        return _DESCRIPTIONS[self]

    @property
    def processes(self) -> int:
        return 8 if self in (Load.CLIENT_PROCESSES, Load.MIXED) else 1

    @property
    def is_timed(self) -> bool:
        """Whether each call is timed by itself."""
        return self in (Load.ONE_CLIENT, Load.CLIENT_PROCESSES)


_DESCRIPTIONS = {
    Load.ONE_CLIENT: "1 client",
    Load.CLIENT_PROCESSES: "8 client processes",
    Load.MIXED: "4 readers beside 4 writers",
    Load.IN_FLIGHT: f"{IN_FLIGHT} calls in flight",
    Load.BATCHES: f"batches of {IN_FLIGHT}",
    Load.MEMORY: "memory and idle CPU",
}


class Arguments:
    """Arguments for one caller's calls: random accounts to read or charge, and new ones.

    Args:
        seed: of its own for each caller, so that new accounts do not clash.
    """

    def __init__(self, account_ids: Sequence[str], seed: int) -> None:
        self._numbers = random.Random(seed)
        self._account_ids = account_ids
        self._count = len(account_ids)
        self._caller = f"{self._numbers.getrandbits(60):015x}"
        self._created = 0

    def next(self, operation: Operation) -> str:
        """An account's id, or an address that no account has yet."""
        if operation is Operation.CREATE:
            self._created += 1
            return f"{self._caller}-{self._created}@example.com"
        # random() in C; randrange() would take as long as SQLite takes for the row.
        return self._account_ids[int(self._numbers.random() * self._count)]
