import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from pack_db.errors import PermissionDenied
from pack_db_client.protocol.messages import encode_error, encode_reply
from pack_db_daemon.callers import Callers
from pack_db_daemon.connection_limit import ConnectionLimit, Peer

_HANDSHAKE_MS = 2000
# Replies a peer may leave unread before more are dropped. libzmq learns what was read once for
# half of the queue, and looks for it once in 100 messages; below 200 it drops replies of a fast
# client that reads them all (libzmq#4750).
_SEND_QUEUE = 256
_LINGER_MS = 200
# Waking a sleeping thread takes 20 to 25 µs, the largest part of a round trip. So after an answer
# the loop looks for the client's next message about 40 µs long before it goes to sleep.
_TRIES = 50
_TICK_S = 1.0
_BUSY_TICK_S = 0.02
_SIGNALS_AT_ONCE = 512

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
        callers: Callers,
        max_message_bytes: int,
        housekeeping: Callable[[], bool],
    ) -> None:
        self._tries = _TRIES
        self._callers = callers
        self._housekeeping = housekeeping
        self._context = zmq.Context()
        self._socket = self._context.socket(socket_type)
        # Without a domain libzmq takes ZMTP/1.0 peers, which pass by its handshake and its
        # timer (libzmq#4932); no handler has to be there for it.
        self._socket.zap_domain = b"pack-db"
        self._socket.handshake_ivl = _HANDSHAKE_MS
        self._socket.maxmsgsize = max_message_bytes
        self._socket.sndhwm = _SEND_QUEUE
        self._socket.linger = _LINGER_MS
        self._connections = ConnectionLimit(self._context, path)
        self._connections.start(self._socket)
        self._socket.use_fd = os.dup(listening_fd)  # libzmq closes what it is given
        self._socket.bind(f"ipc://{path}")

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
            patience_s = 0.0 if self._has_more() else next_tick - time.monotonic()
            sources = [(source, zmq.POLLIN) for source in (wakeup_fd, *self._sources())]
            ready = zmq.zmq_poll(sources, max(0, int(1000 * patience_s)))
            if (wakeup_fd, zmq.POLLIN) in ready:
                os.read(wakeup_fd, _SIGNALS_AT_ONCE)
                next_tick = 0.0
            tries = 0
            while tries < self._tries and time.monotonic() < next_tick and not stopped():
                tries = 0 if self._answer_waiting() else tries + 1
            if time.monotonic() >= next_tick:
                more = self._housekeeping()
                next_tick = time.monotonic() + (_BUSY_TICK_S if more else _TICK_S)

    def close(self) -> None:
        self._socket.close()
        self._connections.wait()
        self._context.term()  # waits for the last replies to leave, _LINGER_MS at most

    def _user_id(self, frame: zmq.Frame) -> int | None:
        """Whom the message is from that ends with this frame; None if that user may not call."""
        try:
            # What the kernel says; `User-Id` would be what the peer says itself.
            address = frame.get("Peer-Address")
        except zmq.ZMQError:
            return None
        return self._callers.user_id(str(address))

    def _sources(self) -> Sequence[Any]:
        """What to wait for: sockets and descriptors that become readable."""
        return (self._socket,)

    def _has_more(self) -> bool:
        """Whether a message was taken off the socket that is not in work yet."""
        return False

    @abstractmethod
    def _answer_waiting(self) -> bool:
        """Take what waits, without waiting for more; False if there was nothing."""
