import time
from collections.abc import Callable

import zmq

from pack_db_daemon.transport.accepted_connection import unread_bytes

_LEAST_EACH = 4 * 2**20  # bytes a connection may leave unread
_ALL_TOGETHER = 16  # so many times as much may all of them
_STEP = 16 * 1024
_OVERHEAD = 128  # bytes that libzmq takes for a reply beside its body
_PATIENCE_S = 0.001
_TRIES = 5


class _Connection:
    def __init__(self) -> None:
        self.unmarked = 0  # bytes since the last mark
        self.marks: list[tuple[zmq.MessageTracker, int]] = []  # with the bytes up to each

    def unread(self) -> int:
        self.marks = [mark for mark in self.marks if not mark[0].done]
        return sum(size for _, size in self.marks)


class UnreadReplies:
    """Bounds the memory of replies that nobody reads: a peer that leaves too much is cut off.

    The high-water mark counts messages, of whatever size. But libzmq lets go of a reply when the
    kernel has taken all of it, and pyzmq can tell when that was. It costs 20 µs, so one reply in
    16 KiB of a connection is asked about: replies leave in their order, so those before it have
    left with it.

    Args:
        max_reply_bytes: the largest reply there is.
        cut_off: ends the connection with this descriptor, for this reason.
    """

    def __init__(self, max_reply_bytes: int, cut_off: Callable[[int, str], None]) -> None:
        self._most_each = max(_LEAST_EACH, 2 * max_reply_bytes)
        self._most = self._most_each * _ALL_TOGETHER
        self._cut_off = cut_off
        self._connections: dict[int, _Connection] = {}  # by descriptor, which others take over
        self._total = 0  # bytes in marks, those that have left since among them
        _tracked(b"")  # pyzmq's thread for it needs descriptors, which there are now

    def frame(self, fd: int, reply: bytes) -> bytes | zmq.Frame:
        """What to send for a reply over the connection with this descriptor."""
        connection = self._connections.get(fd)
        if connection is None:
            connection = self._connections[fd] = _Connection()
        connection.unmarked += len(reply) + _OVERHEAD
        if connection.unmarked < _STEP:
            return reply
        frame = _tracked(reply)
        connection.marks.append((frame.tracker, connection.unmarked))
        self._total += connection.unmarked
        connection.unmarked = 0
        if connection.unread() > self._most_each:
            self._cut_off_unless_read(fd, connection)
        if self._total > self._most:
            self._bound_all()
        return frame

    def _cut_off_unless_read(self, fd: int, connection: _Connection) -> None:
        # The thread of pyzmq that takes note of what has left may be late.
        for _ in range(_TRIES):
            time.sleep(_PATIENCE_S)
            if connection.unread() <= self._most_each or not unread_bytes(fd):
                return
        self._forget(fd)

    def _bound_all(self) -> None:
        unread = {fd: each.unread() for fd, each in self._connections.items()}
        self._total = sum(unread.values())
        while self._total > self._most:
            most = max(unread, key=unread.__getitem__)
            self._total -= unread.pop(most)
            self._forget(most)

    def _forget(self, fd: int) -> None:
        self._cut_off(fd, "it does not read its replies")
        del self._connections[fd]


def _tracked(reply: bytes) -> zmq.Frame:
    return zmq.Frame(reply, track=True, copy=False, copy_threshold=0)
