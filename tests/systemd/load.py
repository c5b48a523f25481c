import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pack_db_client import CreateAccountInput, PackDb, PackDbError
from tests.support.daemon_process import PATIENCE_S

_TOKENS = 500_000


class _Caller(threading.Thread):
    def __init__(self, db: PackDb, number: int) -> None:
        super().__init__()
        self.failures: list[PackDbError] = []
        self.acknowledged = 0
        self.stopped = threading.Event()
        self._db = db
        self._account = db.accounts.create_account(
            CreateAccountInput(email=f"caller{number}@example.com", plan_name="Enterprise")
        )

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                self._db.tokens.consume_tokens(self._account.id, 1)
                self.acknowledged += 1
            except PackDbError as error:
                self.failures.append(error)

    def applied(self) -> int:
        return _TOKENS - self._db.tokens.get_balance(self._account.id).token_remaining


class Load:
    """While entered, clients each consume one token after the other from their own account."""

    def __init__(self, new_client: Callable[[], PackDb], callers: int = 4) -> None:
        self._clients = [new_client() for _ in range(callers)]

    def __enter__(self) -> Self:
        self._callers = [_Caller(db, number) for number, db in enumerate(self._clients)]
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        for db in self._clients:
            db.close()

    def wait_for_progress(self) -> None:
        """Return when every client had one more call answered."""
        before = [caller.acknowledged for caller in self._callers]
        give_up = time.monotonic() + PATIENCE_S
        while not all(c.acknowledged > b for c, b in zip(self._callers, before, strict=True)):
            if time.monotonic() > give_up:
                raise RuntimeError(f"calls are not answered: {self._failures()}")
            time.sleep(0.005)

    def check(self) -> None:
        """End the load: no call failed, and each was applied once."""
        self._stop()
        assert self._failures() == []
        assert [c.applied() for c in self._callers] == [c.acknowledged for c in self._callers]

    def _failures(self) -> list[PackDbError]:
        return [failure for caller in self._callers for failure in caller.failures]

    def _stop(self) -> None:
        for caller in self._callers:
            caller.stopped.set()
        for caller in self._callers:
            caller.join()
