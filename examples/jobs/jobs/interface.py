from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pack_db import PackDbError


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    payload: str
    attempt: int  # whose lease it is


class LeaseLost(PackDbError):
    code = "lease_lost"


class JobQueue(ABC):
    @abstractmethod
    def enqueue(self, payload: str, delay_s: float = 0) -> int: ...

    @abstractmethod
    def claim(self, lease_s: float = 60) -> Job | None:
        """The job that is due for longest; nobody else gets it until the lease has ended."""

    @abstractmethod
    def complete(self, job: Job, followed_by: Sequence[str] = ()) -> None:
        """Enqueue what follows, too, or neither. Raises: LeaseLost."""

    @abstractmethod
    def retry(self, job: Job, delay_s: float = 0) -> None:
        """Raises: LeaseLost."""
