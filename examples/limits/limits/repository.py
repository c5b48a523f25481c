import time

import peewee

from limits.interface import LimitReached, RateLimiter
from pack_db import DatabaseConnection, parameter


class Windows(peewee.Model):
    key = peewee.TextField()
    began_at = peewee.BigIntegerField()  # Unix seconds
    taken = peewee.IntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("key", "began_at")


class PeeweeRateLimiter(RateLimiter):
    def __init__(self, database: DatabaseConnection) -> None:
        # Written once, as it is asked for often.
        key, began_at, amount = (parameter(name) for name in ("key", "began_at", "amount"))
        first = Windows.insert(key=key, began_at=began_at, taken=amount)
        take = first.on_conflict(
            conflict_target=[Windows.key, Windows.began_at],
            update={Windows.taken: Windows.taken + amount},
        )
        self._take = database.compile(take.returning(Windows.taken))
        self._forget = database.compile(
            Windows.delete().where(Windows.key == key, Windows.began_at < began_at)
        )
        self._database = database

    def take(self, key: str, limit: int, per_s: int, amount: int = 1) -> int:
        now = time.time()
        began_at = int(now // per_s) * per_s
        with self._database.transaction():  # so that what raises has taken nothing
            [(taken,)] = self._take(key=key, began_at=began_at, amount=amount)
            if taken > limit:
                left_s = began_at + per_s - now
                raise LimitReached(f"{key}: {limit} in {per_s} s", retry_after_s=left_s)
            if taken == amount:
                self._forget(key=key, began_at=began_at)
        return int(limit - taken)
