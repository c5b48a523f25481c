import itertools
import os
import struct
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from weakref import finalize

import msgspec
import zmq

from pack_db.errors import ClocksDiffer, Unavailable
from pack_db_client.protocol.replies import split_reply
from pack_db_client.protocol.requests import CLIENT_ID_BYTES, encode_request
from pack_db_client.transport.message import Message, too_large
from pack_db_client.transport.unavailable import require_descriptors

_CLOCK_TOLERANCE_NS = 10**9
_DESCRIPTORS = 16  # what a first connection takes, and some for what happens at the same time
_MAX_SOCKETS = 16_384  # ZeroMQ's 1,023 would be 341 connections

_EVENT = struct.Struct("=Hi")  # what happened, and a value; zmq_socket_monitor(3)

# As numbers: to convert pyzmq's flags takes as long as to receive a message.
_EVENTS, _POLLIN, _NOBLOCK = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.NOBLOCK)

_names = itertools.count()


class Connection:
    """A REQ socket and an identity, for one message at a time; closed when nobody has it any more.

    It connects when it is switched on, for the first message.

    It is of the process that made it: libzmq's sockets do not work in a forked child, and an
    identity that two processes use would mix up their messages.

    Raises:
        Unavailable: this process has no file descriptors left for it.
    """

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        require_descriptors(_DESCRIPTORS)
        self.pid = os.getpid()
        self.path = path
        self.copies = 0
        """Of the latest message, how many may have been sent."""
        # What the daemon knows a client by: who sends, and how many messages so far.
        self._client_id = os.urandom(CLIENT_ID_BYTES)
        self._sequence = 0
        self._max_message_bytes = max_message_bytes
        context = _context(self.pid)
        opened: list[zmq.Socket[bytes]] = []
        # At the exit of the process another thread may still be inside of libzmq, which aborts
        # when its socket is closed meanwhile; and there is nothing to wait for.
        finalize(self, _close, self.pid, opened).atexit = False
        try:
            opened.append(context.socket(zmq.REQ))
            opened.append(context.socket(zmq.PAIR))
        except zmq.ZMQError as exc:
            raise Unavailable(f"this process can have no more sockets: {exc}") from exc
        self.socket, self._events = opened
        # A message may be sent again without its reply, and only the last copy's reply is taken.
        self.socket.req_relaxed = True
        self.socket.req_correlate = True
        # Without a connection nothing is queued, so nothing is delivered after its caller gave up.
        self.socket.immediate = True
        self.socket.linger = 0
        self.socket.reconnect_ivl = 10  # milliseconds
        address = f"inproc://{next(_names)}"
        self.socket.monitor(address, zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self._events.rcvhwm = 0  # libzmq's own thread would wait for whoever lets events pile up
        self._events.connect(address)
        self._address = f"ipc://{path}"
        self._is_on = False
        self._is_connected = False

    def switch_on(self) -> None:
        """Connect, and again whenever the connection is lost."""
        if not self._is_on:
            self.socket.connect(self._address)
            self._is_on = True

    def switch_off(self) -> None:
        """Leave the daemon alone for now."""
        self.socket.disconnect(self._address)
        self._is_on = self._is_connected = False

    def next_message(self, calls: Sequence[bytes], deadline_ns: int, *, has_write: bool) -> Message:
        """
        Raises:
            MessageTooLarge: the daemon would refuse it.
        """
        self.copies = 0
        self._sequence += 1
        data = encode_request(self._client_id, self._sequence, deadline_ns, calls)
        if len(data) > self._max_message_bytes:
            raise too_large(len(data), self._max_message_bytes)
        made_ns = time.monotonic_ns()
        return Message(data, self._sequence, made_ns, deadline_ns, has_write, len(calls))

    def was_lost(self) -> bool:
        """Whether the connection was lost since this was asked last; it comes back by itself."""
        lost = False
        while int(self._events.getsockopt(_EVENTS)) & _POLLIN:
            event, _ = _EVENT.unpack(self._events.recv_multipart()[0])
            self._is_connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            lost |= not self._is_connected
        return lost

    def send(self, message: Message) -> bool:
        """Send a copy; False if there is no connection."""
        # libzmq tells of a lost connection before it stops to take messages for it.
        if int(self._events.getsockopt(_EVENTS)) & _POLLIN:
            self.was_lost()
        if not self._is_connected:
            return False
        self.copies += 1  # first, as what interrupts this must not make it look unsent
        try:
            self.socket.send(message.data, _NOBLOCK)
        except zmq.Again:
            self.copies -= 1
            return False
        return True

    def receive(self, message: Message) -> list[msgspec.Raw] | None:
        """The encoded results of the message's calls; None if its reply is not there yet.

        Raises:
            BadRequest: the daemon speaks something else.
            ClocksDiffer: the daemon has another clock, so deadlines mean nothing.
        """
        try:
            data = self.socket.recv(_NOBLOCK)
        except zmq.Again:
            return None  # also when poll said otherwise: it may have seen a stale reply
        sequence, results, clock_ns = split_reply(data)
        if sequence not in (message.sequence, 0):  # 0: the daemon could not read ours
            return None
        if clock_ns:  # a daemon that lets nobody in does not tell
            ahead_ns = clock_ns - time.monotonic_ns()
            if ahead_ns > _CLOCK_TOLERANCE_NS or clock_ns < message.made_ns - _CLOCK_TOLERANCE_NS:
                raise ClocksDiffer(
                    f"the daemon's monotonic clock is {ahead_ns / 1e9:+.0f} s off this process's, "
                    "so no deadline holds; run both in one time namespace. "
                    "What was called may have been done"
                )
        # The one result of a message that was refused as a whole is the result of all its calls.
        return results if len(results) == message.call_count else results[:1] * message.call_count


@cache
def _context(pid: int) -> "zmq.Context[zmq.Socket[bytes]]":
    """ZeroMQ's context of this process.

    It never ends, as that would wait for every socket of it, also for one that an exception in a
    finalizer has kept open; and there should be one in a process (zguide, "Getting the Context
    Right"). It is not pyzmq's own instance, which belongs to the application.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, _MAX_SOCKETS)
    return context


def ready_events(socket: "zmq.Socket[bytes]") -> int:
    """`zmq.POLLIN` or `zmq.POLLOUT`, or both or 0, for what can be done without waiting."""
    return int(socket.getsockopt(_EVENTS))


def _close(pid: int, sockets: "list[zmq.Socket[bytes]]") -> None:
    if pid != os.getpid():
        return
    if len(sockets) > 1:
        # Else libzmq's own thread waits for ever to tell a closed socket that this one is.
        sockets[0].disable_monitor()
    for socket in sockets:
        socket.close(linger=0)
