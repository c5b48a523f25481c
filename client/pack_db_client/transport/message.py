import os
import time
from collections.abc import Sequence
from typing import NamedTuple

from pack_db.errors import MessageTooLarge
from pack_db_client.protocol.messages import CLIENT_ID_BYTES, encode_request

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


class Numbering:
    """Who sends, and how many messages so far: what the daemon knows a client by."""

    def __init__(self, max_message_bytes: int) -> None:
        self._client_id = os.urandom(CLIENT_ID_BYTES)
        self._sequence = 0
        self._max_message_bytes = max_message_bytes

    def next_message(self, calls: Sequence[bytes], deadline_ns: int, *, has_write: bool) -> Message:
        """
        Raises:
            MessageTooLarge: the daemon would refuse it; nothing was sent.
        """
        self._sequence += 1
        data = encode_request(self._client_id, self._sequence, deadline_ns, calls)
        if len(data) > self._max_message_bytes:
            raise too_large(len(data), self._max_message_bytes)
        made_ns = time.monotonic_ns()
        return Message(data, self._sequence, made_ns, deadline_ns, has_write, len(calls))


def too_large(size: int, limit: int) -> MessageTooLarge:
    return MessageTooLarge(
        f"the message has {size} bytes, more than the {limit} of MAX_MESSAGE_BYTES; "
        "nothing was sent",
        size=size,
        limit=limit,
    )
