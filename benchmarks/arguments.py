import random

from benchmarks.account_ids import AccountIds
from benchmarks.workload import Operation


class Arguments:
    """Arguments for one caller's calls: random accounts to read or charge, and new ones.

    Args:
        seed: of its own for each caller, so that new accounts do not clash.
    """

    def __init__(self, account_ids: AccountIds, seed: int) -> None:
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
