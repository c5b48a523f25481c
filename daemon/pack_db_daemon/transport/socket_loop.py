import logging
import os
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from pack_db.errors import PermissionDenied
from pack_db_client.protocol.replies import encode_error, encode_reply
from pack_db_daemon.transport.accepted_connection import Peer
from pack_db_daemon.transport.access_control import AccessControl
from pack_db_daemon.transport.capacity import Capacity, connection_limit
from pack_db_daemon.transport.message_log import MessageLog
from pack_db_daemon.transport.unread_replies import UnreadReplies

_HANDSHAKE_MS = 2000
# Messages that libzmq reads ahead of a connection; what is more waits at its sender. With 8, a
# round trip takes a tenth longer: libzmq tells its reading thread of each half of the queue.
_RECEIVE_QUEUE = 32
# Replies a peer may leave unread before more are dropped. libzmq learns what was read once for
# half of the queue, and looks for it once in 100 messages; below 200 it drops replies of a fast
# client that reads them all (libzmq#4750).
_SEND_QUEUE = 256
_LINGER_MS = 500
# Waking a sleeping thread takes 20 to 25 µs, the largest part of a round trip. So after an answer
# the loop looks for the next message before it goes to sleep, as long as a client takes between a
# reply and its next request. That pays when a few clients call; of more, one has a message ready by
# then, or needs the CPU itself to make it.
_LOOK_S = 0.00015
_FEW_CLIENTS = 2
_LATEST = 8  # messages, by whose senders that is seen
_TICK_S = 1.0
_BUSY_TICK_S = 0.02
_SIGNALS_AT_ONCE = 512
# As numbers: to convert pyzmq's flags takes as long as to receive a frame.
NOBLOCK, _SRCFD = int(zmq.NOBLOCK), int(zmq.SRCFD)
MOST_PARTS = 64  # of a message behind or before its delimiter; a REQ socket sends one or two
_READ_OFF_S = 0.02  # 50,000 parts
_READ_OFF_AT_ONCE = 100

# The same for every message: nothing of a message is read whose sender may not call.
NO_PERMISSION = encode_reply(
    0,
    [
        encode_error(
            PermissionDenied(
                "this daemon does not let this user call; ask its owner to let this user in "
                "(ALLOWED_UIDS, ALLOWED_GIDS)"
            )
        )
    ],
    clock_ns=0,
)

_log = logging.getLogger(__name__)


class Transport(ABC):
    """The socket that clients connect to, and the loop that waits for their messages.

    Args:
        socket_type: `zmq.REP` or `zmq.ROUTER`, which REQ clients can talk to.
        listening_fd: a listening unix socket; it stays the caller's.
        path: its path.
        max_message_bytes: a peer that sends more is disconnected.
        housekeeping: called about once a second and after a signal, between messages; at once
            again, after the messages that wait, if it returns True.
    """

    def __init__(
        self,
        socket_type: int,
        listening_fd: int,
        path: str,
        access: AccessControl,
        message_log: MessageLog,
        max_message_bytes: int,
        housekeeping: Callable[[], bool],
    ) -> None:
        self._look_s = _LOOK_S
        self._latest_senders: deque[int] = deque(maxlen=_LATEST)  # their descriptors
        self._access = access
        self._message_log = message_log
        self._housekeeping = housekeeping
        self._socket_type = socket_type
        self._listening_fd = listening_fd
        self._path = path
        self._max_message_bytes = max_message_bytes
        self._limit = connection_limit()
        self._unread = UnreadReplies(
            max_message_bytes, lambda fd, reason: self._connections.cut_off(fd, reason)
        )
        self._context = zmq.Context()
        self._former: Capacity | None = None  # of the socket before, which is being closed
        self._open()

    @property
    def peers(self) -> list[Peer | None]:
        return self._connections.peers

    def serve(self, wakeup_fd: int, stopped: Callable[[], bool]) -> None:
        """Answer messages until `stopped`, which is asked again whenever `wakeup_fd` is readable.

        What is in hand is finished and answered first. What is in `wakeup_fd`, which must not
        block, is thrown away.
        """
        next_tick = 0.0
        while not stopped():
            patience_s = next_tick - time.monotonic()
            sources = [(source, zmq.POLLIN) for source in (wakeup_fd, *self._sources())]
            ready = zmq.zmq_poll(sources, max(0, int(1000 * patience_s)))
            if (wakeup_fd, zmq.POLLIN) in ready:
                os.read(wakeup_fd, _SIGNALS_AT_ONCE)
                next_tick = 0.0
            while time.monotonic() < next_tick and not stopped():
                if not self._answer_waiting() and not self._is_soon_readable():
                    break
            if time.monotonic() >= next_tick:
                more = self._housekeeping()
                next_tick = time.monotonic() + (_BUSY_TICK_S if more else _TICK_S)

    def listen_at(self, listening_fd: int) -> None:
        """Listen at another socket, which has the same path; connections stay as they are."""
        self._socket.unbind(f"ipc://{self._path}")
        self._listening_fd = listening_fd
        self._bind()

    def close(self) -> None:
        self._socket.close()
        self._wait_for_former()
        self._connections.wait()
        self._context.term()  # waits for the last replies to leave, _LINGER_MS at most

    def _open(self) -> None:
        self._socket = self._context.socket(self._socket_type)
        # Without a domain libzmq takes ZMTP/1.0 peers, which pass by its handshake and its
        # timer (libzmq#4932); no handler has to be there for it.
        self._socket.zap_domain = b"pack-db"
        # Else a connection with the routing id of another one is never served, nor its data freed.
        self._socket.router_handover = True
        self._socket.handshake_ivl = _HANDSHAKE_MS
        self._socket.maxmsgsize = self._max_message_bytes
        self._socket.rcvhwm = _RECEIVE_QUEUE
        self._socket.sndhwm = _SEND_QUEUE
        self._socket.linger = _LINGER_MS
        self._connections = Capacity(self._context, self._path, self._limit)
        self._connections.start(self._socket)
        # To ask whether it is takes a quarter of the time of the exception that nothing waits.
        self._readable = [(self._socket, int(zmq.POLLIN))]
        self._bind()

    def _bind(self) -> None:
        fd = os.dup(self._listening_fd)  # libzmq closes what it is given
        self._socket.use_fd = fd
        self._socket.bind(f"ipc://{self._path}")
        self._connections.listens_at(fd)

    def _sender(self, frame: zmq.Frame) -> tuple[str, int]:
        """Address and descriptor of the connection that this frame came over."""
        try:
            # What the kernel says; `User-Id` would be what the peer says itself.
            address, fd = str(frame.get("Peer-Address")), int(frame.get(_SRCFD))
        except zmq.ZMQError:
            return "", -1  # the peer was gone before libzmq could ask the kernel
        self._latest_senders.append(fd)
        return address, fd

    def _rest_is_read_off(self, frame: zmq.Frame) -> bool:
        """Read what follows in a message; False if all connections were made anew instead.

        libzmq hands over no other message before. A peer that sends more parts than a message
        has is disconnected. When even reading off what it has sent would keep the others
        waiting, they are better off with a new socket: they send again what was not answered.
        """
        for _ in range(MOST_PARTS):
            if not frame.more:
                return True
            frame = self._socket.recv(copy=False)
        self._connections.cut_off(self._sender(frame)[1], "it sent a message of too many parts")
        give_up = time.monotonic() + _READ_OFF_S
        while time.monotonic() < give_up:
            for _ in range(_READ_OFF_AT_ONCE):
                if not frame.more:
                    return True
                frame = self._socket.recv(copy=False)
        _log.warning("reading it off would take too long; all connections are made anew")
        self._replace_socket()
        return False

    def _replace_socket(self) -> None:
        self._wait_for_former()
        self._socket.close(linger=0)
        self._former = self._connections
        if 2 * len(self.peers) > self._limit.most:
            self._wait_for_former()  # there are no descriptors for two sockets' connections
        self._open()

    def _wait_for_former(self) -> None:
        if self._former is not None:
            self._former.wait()

    def _sources(self) -> Sequence[Any]:
        """What to wait for: sockets and descriptors that become readable."""
        return (self._socket,)

    def _is_soon_readable(self) -> bool:
        if len(set(self._latest_senders)) <= _FEW_CLIENTS:
            stop = time.monotonic() + self._look_s
            while time.monotonic() < stop:
                if zmq.zmq_poll(self._readable, 0):
                    return True
        return False

    @abstractmethod
    def _answer_waiting(self) -> bool:
        """Take what waits, without waiting for more; False if there was nothing."""
