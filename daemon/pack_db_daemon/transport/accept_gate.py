import ctypes
import os
import platform
import re
import select
import socket
import time
from pathlib import Path

_WATCHED = re.compile(r"tfd:\s*(\d+) events:\s*([0-9a-f]+) data:\s*([0-9a-f]+)")
_EPOLL_CTL_MOD = 3
_PATIENCE_S = 1.0


class _Event(ctypes.Structure):
    _pack_ = 1 if platform.machine() == "x86_64" else 0  # EPOLL_PACKED of linux/eventpoll.h
    _fields_ = (("events", ctypes.c_uint32), ("data", ctypes.c_uint64))


class AcceptGate:
    """Lets libzmq accept connections freely, one at a time, or not at all.

    libzmq accepts what comes, in a thread of its own, and aborts the process when no descriptor
    is left (libzmq#1306). That thread waits with epoll(7), which can be told to report a socket
    no more than once (EPOLLONESHOT), or not, until it is told otherwise. The rest waits in the
    backlog.

    Args:
        listening_fd: the descriptor that libzmq listens at.

    Raises:
        LookupError: libzmq does not wait with epoll here.
    """

    def __init__(self, listening_fd: int) -> None:
        self._listening_fd = listening_fd
        give_up = time.monotonic() + _PATIENCE_S
        while (watched := _watched(listening_fd)) is None:  # until the thread has got so far
            if time.monotonic() > give_up:
                raise LookupError("libzmq does not wait with epoll")
            time.sleep(0.0001)
        self._epoll_fd, self._data = watched
        self._epoll_ctl = ctypes.CDLL(None, use_errno=True).epoll_ctl

    def let_in_all(self) -> None:
        self._watch(select.EPOLLIN)

    def let_in_one(self) -> None:
        self._watch(select.EPOLLIN | select.EPOLLONESHOT)

    def let_in_none(self) -> None:
        self._watch(0)

    def turn_away(self) -> int:
        """Accept and close what waits; returns how many that were."""
        count = 0
        try:
            with socket.socket(fileno=os.dup(self._listening_fd)) as listening:
                listening.setblocking(False)
                while True:
                    listening.accept()[0].close()
                    count += 1
        except OSError:  # nothing waits any more
            return count

    def _watch(self, events: int) -> None:
        event = _Event(events, self._data)
        # It fails if libzmq has just stopped listening, and there is nobody to let in.
        self._epoll_ctl(self._epoll_fd, _EPOLL_CTL_MOD, self._listening_fd, ctypes.byref(event))


def _watched(fd: int) -> tuple[int, int] | None:
    """The epoll that watches this descriptor, and what it reports of it; proc(5), fdinfo."""
    for path in Path("/proc/self/fdinfo").iterdir():
        try:
            text = path.read_text()
        except OSError:
            continue
        for watched, _, data in _WATCHED.findall(text):
            if int(watched) == fd:
                return int(path.name), int(data, 16)
    return None
