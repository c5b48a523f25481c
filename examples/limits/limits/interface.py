from abc import ABC, abstractmethod

from pack_db import PackDbError


class LimitReached(PackDbError):
    """Nothing was taken; there is more in `retry_after_s` seconds."""

    code = "limit_reached"
    retry_after_s: float


class RateLimiter(ABC):
    @abstractmethod
    def take(self, key: str, limit: int, per_s: int, amount: int = 1) -> int:
        """Take from what `key` may have in each window of `per_s` seconds; returns what is left.

        Raises: LimitReached.
        """
