"""What may be asked of a connection that libzmq has accepted, and done to it, by its descriptor.

The descriptor is libzmq's, which closes it once it reads the end. It may have done so by itself
just now, and the number may be of something else, which must stay as it is.
"""

import fcntl
import select
import socket
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

_CREDENTIALS = struct.Struct("=iII")  # pid, uid, gid; ucred in unix(7)
_INT = struct.Struct("=i")


class Peer(NamedTuple):
    """What the kernel says of the process that connected."""

    pid: int  # 0 if it is in a PID namespace that this process does not see
    user_id: int  # numeric, the effective one


def peer_of(fd: int) -> Peer | None:
    try:
        with _borrowed(fd) as connection:
            credentials = connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
            )
    except OSError:
        return None  # the peer was faster
    pid, user_id, _ = _CREDENTIALS.unpack(credentials)
    return Peer(pid, user_id)


def shut_down(fd: int, path: str) -> None:
    """End a connection to the socket at this path; anything else is left alone."""
    with suppress(OSError), _borrowed(fd) as connection:
        if connection.getsockname() == path:
            connection.shutdown(socket.SHUT_RDWR)


def has_ended(fd: int) -> bool:
    """Whether nothing can be sent to and fro any more."""
    poller = select.poll()
    poller.register(fd, 0)
    return any(events & (select.POLLHUP | select.POLLNVAL) for _, events in poller.poll(0))


def unread_bytes(fd: int) -> int:
    """What the kernel holds that the peer has not read (SIOCOUTQ); 0 if it has gone."""
    try:
        data = fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(_INT.size))
    except OSError:
        return 0
    return int(_INT.unpack(data)[0])


@contextmanager
def _borrowed(fd: int) -> Iterator[socket.socket]:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
    try:
        yield connection
    finally:
        connection.detach()
