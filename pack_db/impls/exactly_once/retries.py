import random
import time
from collections.abc import Callable
from typing import TypeVar

from pack_db.errors import (
    DeadlinePassed,
    OutcomeUnknown,
    PackDbError,
    StorageConflict,
    StorageError,
    StorageUnavailable,
)

T = TypeVar("T")

_ANSWER_NS = 200_000_000  # left before the deadline, so that the answer still arrives in time
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.2


class Retries:
    """Does again what failed for a reason that passes, as long as its caller waits.

    That is a server that was away, or another transaction that was in the way.

    Args:
        stopped: whether to give up at once.
        clock_ns: the clock of the deadlines.
    """

    def __init__(
        self,
        stopped: Callable[[], bool] = lambda: False,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._stopped = stopped
        self._clock_ns = clock_ns

    def run(self, work: Callable[[], T], deadline_ns: int) -> T:
        """
        Args:
            work: finds out by itself whether an earlier attempt was done after all.
            deadline_ns: 0 for none; then there is one attempt.

        Raises:
            OutcomeUnknown: a commit was under way when the server went away, and what became of
                it was not to be found out in time.
        """
        in_doubt: OutcomeUnknown | None = None
        failure: PackDbError
        longest_s = _FIRST_PAUSE_S
        while True:
            began_ns = self._clock_ns()
            try:
                return work()
            except OutcomeUnknown as error:
                failure = in_doubt = error
            except (StorageUnavailable, StorageConflict) as error:
                failure = in_doubt or error
            except (StorageError, DeadlinePassed) as error:
                raise in_doubt or error from None
            ended_ns = self._clock_ns()
            # What waited long for a lock or a connection would do so again, and be too late.
            answer_by_ns = deadline_ns - _ANSWER_NS - (ended_ns - began_ns)
            if self._stopped() or ended_ns >= answer_by_ns:
                raise failure from None
            # Drawn anew each time, so that those in each other's way part.
            time.sleep(random.uniform(0, longest_s))  # noqa: S311  # no secret
            longest_s = min(2 * longest_s, _LONGEST_PAUSE_S)
