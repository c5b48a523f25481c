import threading
from collections.abc import Callable

SMALL_BYTES = 1024
"""A reply up to this size is of the order of what its write leaves in the database anyway."""

ROOM_BYTES = 64 * 2**20
"""For 256 replies of the largest size at once, by default, or 8,000 of 64 calls each."""


class LargeReplies:
    """Bounds what all replies in the journal take that are larger than `SMALL_BYTES`.

    A message of 154 bytes may have a reply of 230 KB, and each new client id another one, which
    is kept until its deadline, ten minutes at most. Counted in memory, from the start of the
    process on.
    """

    def __init__(self, clock_ns: Callable[[], int], room_bytes: int = ROOM_BYTES) -> None:
        self._clock_ns = clock_ns
        self._room_bytes = room_bytes
        self._taken_bytes = 0
        self.rows: dict[bytes, tuple[int, int]] = {}  # size, and when it may be forgotten
        self._lock = threading.Lock()

    def has_room(self, row_key: bytes, size: int, expires_ns: int) -> bool:
        """Whether to keep a reply, in the place of the one before of the same client.

        Args:
            size: in bytes.
        """
        with self._lock:
            if row_key in self.rows:
                self._drop(row_key)
            if size <= SMALL_BYTES:
                return True
            if self._taken_bytes + size > self._room_bytes:
                self._drop_expired()
            if self._taken_bytes + size > self._room_bytes:
                return False
            self.rows[row_key] = (size, expires_ns)
            self._taken_bytes += size
            return True

    def _drop_expired(self) -> None:
        now_ns = self._clock_ns()
        for row_key, (_, expires_ns) in list(self.rows.items()):
            if expires_ns < now_ns:
                self._drop(row_key)

    def _drop(self, row_key: bytes) -> None:
        self._taken_bytes -= self.rows.pop(row_key)[0]
