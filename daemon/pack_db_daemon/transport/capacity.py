import logging
import resource
import struct
import threading
from typing import NamedTuple

import zmq

from pack_db_daemon.transport.accept_gate import AcceptGate
from pack_db_daemon.transport.accepted_connection import Peer, has_ended, peer_of, shut_down

# libzmq waits for who reads its events when a thousand wait, one of them in hand. So many more
# connections than were counted it may have accepted at any time.
_UNCOUNTED = 1100
_OWN = 100  # descriptors for all else: the database and its connections, the log, libzmq itself
_FEW = 1000
_MOST = 8192  # each takes 31 KiB of memory, and of a system service 384 MiB are free
_EVENT = struct.Struct("=Hi")  # what happened, and a descriptor; zmq_socket_monitor(3)
_EVENTS = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_ACCEPT_FAILED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_MONITOR_STOPPED
)
_TURN_AWAY_MS = 20
_UNKNOWN = Peer(0, -1)

_log = logging.getLogger(__name__)


class ConnectionLimit(NamedTuple):
    """How many connections there are descriptors for."""

    most: int
    freely: int  # so many may come as they like; from then on one at a time is let in


class Capacity:
    """Knows the connections of a socket, and refuses what comes when there are too many.

    Those that are there notice nothing of one that is refused; its client tries again later.

    It has a thread of its own: libzmq accepts in the background, also while the serving loop
    waits for the disk.

    Args:
        path: where the socket listens; it is not bound yet.
        limit: how many connections are let in.
    """

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", path: str, limit: ConnectionLimit
    ) -> None:
        self._path = path
        self._limit = limit
        self._context = context
        self._admitted: dict[int, Peer | None] = {}  # by descriptor
        self.cut_off_fds: set[int] = set()
        """Descriptors of connections that were cut off, and maybe of others that came since."""
        self._gate: AcceptGate | None = None
        self._is_free = False  # for libzmq to accept what comes
        self._is_full = False
        self._thread = threading.Thread(target=self._watch, name="connection-limit", daemon=True)

    @property
    def peers(self) -> list[Peer | None]:
        """Who made each connection that is open; None if it was over before that was known."""
        return list(self._admitted.values())  # in one step, which the thread cannot divide

    def start(self, watched: "zmq.Socket[bytes]") -> None:
        """Watch a socket until it is closed."""
        address = f"inproc://{id(self)}"
        watched.monitor(address, _EVENTS)
        self._events = self._context.socket(zmq.PAIR)
        self._events.rcvhwm = 1
        self._events.connect(address)
        self._thread.start()  # from here on the events are its own

    def listens_at(self, fd: int) -> None:
        """Regulate what libzmq accepts at its listening descriptor."""
        try:
            gate = AcceptGate(fd)
        except (LookupError, OSError) as exc:
            _log.warning("a flood of connections can end this process: %s", exc)
            return
        self._is_free = False
        self._regulate(gate)
        self._gate = gate

    def cut_off(self, fd: int, reason: str) -> None:
        """End a connection, for what its peer has done."""
        peer = self._admitted.get(fd) or _UNKNOWN
        _log.warning("process %d, user %d was cut off: %s", peer.pid, peer.user_id, reason)
        self.cut_off_fds.add(fd)
        shut_down(fd, self._path)

    def is_cut_off(self, fd: int) -> bool:
        """Whether the connection of one of `cut_off_fds` has ended, though libzmq still hands over
        what it sent before.

        libzmq notices only when that was read, and keeps what is sent to it until then.
        """
        if has_ended(fd):
            return True
        self.cut_off_fds.discard(fd)  # it is another connection's by now
        return False

    def wait(self) -> None:
        """Wait for the end, once the socket is closed: until its connections are, too."""
        self._thread.join()

    def _watch(self) -> None:
        with self._events:
            while True:
                gate = self._gate
                if gate is not None and not self._is_free and not self._events.poll(_TURN_AWAY_MS):
                    if not self._is_full:
                        gate.let_in_one()  # again, as who was let in last may be gone unseen
                    elif gate.turn_away():
                        self._log_refusal()
                    continue
                data, _ = self._events.recv_multipart()
                event, fd = _EVENT.unpack(data)
                if event == zmq.EVENT_MONITOR_STOPPED:
                    return
                if event == zmq.EVENT_ACCEPTED:
                    self._admit(fd)
                elif event == zmq.EVENT_DISCONNECTED:
                    self._admitted.pop(fd, None)
                if self._gate is not None:
                    self._regulate(self._gate)

    def _admit(self, fd: int) -> None:
        if fd in self._admitted or len(self._admitted) < self._limit.most:
            self._admitted[fd] = peer_of(fd)
        else:  # libzmq was faster than the gate
            shut_down(fd, self._path)
            self._log_refusal()

    def _regulate(self, gate: AcceptGate) -> None:
        self._is_full = len(self._admitted) >= self._limit.most
        if self._is_full:
            gate.let_in_none()
            self._is_free = False
        elif len(self._admitted) >= self._limit.freely:
            gate.let_in_one()
            self._is_free = False
        elif not self._is_free:
            gate.let_in_all()
            self._is_free = True

    def _log_refusal(self) -> None:
        _log.warning(
            "there are %d connections, and no descriptors for more; a new one was refused "
            "(raise ulimit -Hn, or LimitNOFILE= of systemd)",
            self._limit.most,
        )


def connection_limit() -> ConnectionLimit:
    """What there are descriptors for, with all that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = min(max(hard - _OWN, hard // 4), _MOST)
    if most < _FEW:
        _log.warning(
            "this process may open %d files, so there can be %d connections; "
            "for more raise the hard limit (ulimit -Hn, or LimitNOFILE= of systemd)",
            hard,
            most,
        )
    return ConnectionLimit(most, max(0, min(most * 9 // 10, hard - _OWN - _UNCOUNTED)))
