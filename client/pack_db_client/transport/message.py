import time
from typing import NamedTuple

from pack_db.errors import MessageTooLarge

MESSAGE_OVERHEAD = 64
"""Bytes of a request around its calls, at most."""


class Message(NamedTuple):
    data: bytes
    sequence: int
    made_ns: int  # CLOCK_MONOTONIC, as the deadline
    deadline_ns: int
    has_write: bool
    call_count: int

    def remaining_s(self) -> float:
        return max(0.0, (self.deadline_ns - time.monotonic_ns()) / 1e9)


def too_large(size: int, limit: int) -> MessageTooLarge:
    return MessageTooLarge(
        f"the message has {size} bytes, more than the {limit} of MAX_MESSAGE_BYTES; "
        "nothing was sent",
        size=size,
        limit=limit,
    )
