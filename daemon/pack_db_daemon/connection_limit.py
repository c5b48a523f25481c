import logging
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import zmq

_MOST = 1024
_ENOUGH_DESCRIPTORS = 4096
_EVENT = struct.Struct("=Hi")  # what happened, and a descriptor; zmq_socket_monitor(3)
_CREDENTIALS = struct.Struct("=iII")  # pid, uid, gid; ucred in unix(7)
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED

_log = logging.getLogger(__name__)


class Peer(NamedTuple):
    """What the kernel says of the process that connected."""

    pid: int  # 0 if it is in a PID namespace that this process does not see
    user_id: int  # numeric, the effective one


class ConnectionLimit:
    """Knows the connections of a socket; for one too many, the oldest is closed.

    libzmq aborts the process when no descriptor is left for a new connection (libzmq#1306). Its
    client notices a closed connection and makes another, so for an honest one it costs a resend.

    It has a thread of its own: libzmq accepts in the background, also while the serving loop
    waits for the disk. When a thousand events wait for that thread, libzmq waits, too, so of
    4096 descriptors some are always free. With fewer than that, a quick flood may win.

    Args:
        path: where the socket listens; it is not bound yet.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", path: str) -> None:
        self._path = path
        self._most = min(_MOST, _raise_descriptor_limit() // 4)
        self._context = context
        self._oldest_first: dict[int, Peer | None] = {}  # by descriptor
        self._thread = threading.Thread(target=self._watch, name="connection-limit", daemon=True)

    @property
    def peers(self) -> list[Peer | None]:
        """Who made each connection that is open; None if it was over before that was known."""
        return list(self._oldest_first.values())  # in one step, which the thread cannot divide

    def start(self, watched: "zmq.Socket[bytes]") -> None:
        """Watch a socket until it is closed."""
        address = f"inproc://{id(self)}"
        watched.monitor(address, _EVENTS)
        self._events = self._context.socket(zmq.PAIR)
        self._events.rcvhwm = 1
        self._events.connect(address)
        self._thread.start()  # from here on the events are its own

    def wait(self) -> None:
        """Wait for the end, once the socket is closed."""
        self._thread.join()

    def _watch(self) -> None:
        with self._events:
            while True:
                data, _ = self._events.recv_multipart()
                event, fd = _EVENT.unpack(data)
                if event == zmq.EVENT_ACCEPTED:
                    self._admit(fd)
                elif event == zmq.EVENT_DISCONNECTED:
                    self._oldest_first.pop(fd, None)
                else:
                    return

    def _admit(self, fd: int) -> None:
        self._oldest_first[fd] = _peer(fd)
        if len(self._oldest_first) > self._most:
            oldest = next(iter(self._oldest_first))
            del self._oldest_first[oldest]
            _shut_down(oldest, self._path)
            _log.warning("there are more than %d connections; the oldest was closed", self._most)


@contextmanager
def _borrowed(fd: int) -> Iterator[socket.socket]:
    # The descriptor is libzmq's, which closes it once it reads the end. It may have done so by
    # itself just now, and the number may be of something else, which must stay as it is.
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
    try:
        yield connection
    finally:
        connection.detach()


def _peer(fd: int) -> Peer | None:
    try:
        with _borrowed(fd) as connection:
            credentials = connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
            )
    except OSError:
        return None  # the peer was faster
    pid, user_id, _ = _CREDENTIALS.unpack(credentials)
    return Peer(pid, user_id)


def _shut_down(fd: int, path: str) -> None:
    with suppress(OSError), _borrowed(fd) as connection:  # the peer may be faster
        if connection.getsockname() == path:
            connection.shutdown(socket.SHUT_RDWR)


def _raise_descriptor_limit() -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < _ENOUGH_DESCRIPTORS:
        _log.warning(
            "this process may open %d files; a flood of connections can end it below %d, "
            "so raise the hard limit (ulimit -Hn, or LimitNOFILE= of systemd)",
            hard,
            _ENOUGH_DESCRIPTORS,
        )
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
