import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec


class RowChecksum:
    """SHA-256 over rows in the order in which they come.

    Each row is written as msgpack: it says where a value ends and of what type it is, so other
    rows never give the same bytes.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()
        self._encode = msgspec.msgpack.Encoder().encode

    def add(self, row: Iterable[Any]) -> None:
        self._hash.update(self._encode(row))
        self.rows += 1

    def __str__(self) -> str:
        return self._hash.hexdigest()
