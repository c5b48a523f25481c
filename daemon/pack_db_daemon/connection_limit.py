import logging
import resource
import socket
import struct
import threading

import zmq

_MOST = 1024
_ENOUGH_DESCRIPTORS = 4096
_EVENT = struct.Struct("=Hi")  # what happened, and a descriptor; zmq_socket_monitor(3)
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED

_log = logging.getLogger(__name__)


class ConnectionLimit:
    """Counts the connections of a socket; for one too many, the oldest is closed.

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
        self._oldest_first: dict[int, None] = {}  # descriptors
        self._thread = threading.Thread(target=self._watch, name="connection-limit", daemon=True)

    @property
    def count(self) -> int:
        return len(self._oldest_first)

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
        self._oldest_first[fd] = None
        if len(self._oldest_first) > self._most:
            oldest = next(iter(self._oldest_first))
            del self._oldest_first[oldest]
            _shut_down(oldest, self._path)
            _log.warning("there are more than %d connections; the oldest was closed", self._most)


def _shut_down(fd: int, path: str) -> None:
    # The descriptor is libzmq's, which closes it once it reads the end. It may have done so by
    # itself just now, and the number may be of something else, which must stay as it is.
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
    except OSError:
        return
    try:
        if connection.getsockname() == path:
            connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the peer was faster
    finally:
        connection.detach()


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
