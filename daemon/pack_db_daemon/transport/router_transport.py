import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from pack_db_daemon.transport.access_control import AccessControl
from pack_db_daemon.transport.message_log import MessageLog
from pack_db_daemon.transport.request_handler import IncomingRequest, RequestHandler
from pack_db_daemon.transport.socket_loop import MOST_PARTS, NO_PERMISSION, NOBLOCK, Transport

_MORE = int(zmq.SNDMORE)
_TURN_S = 0.02  # how long requests are taken before those that wait for a commit are committed


class RouterTransport(Transport):
    """Carries several messages at a time, each of another connection, to where they are answered.

    REQ clients notice no difference to a REP socket. libzmq's own proxy in front of REP sockets
    would not tell who sent a message.

    Args:
        listening_fd, path, access, message_log, max_message_bytes, housekeeping: as `Transport`.
    """

    def __init__(
        self,
        listening_fd: int,
        path: str,
        access: AccessControl,
        message_log: MessageLog,
        handler: RequestHandler,
        max_message_bytes: int,
        housekeeping: Callable[[], bool],
    ) -> None:
        super().__init__(
            zmq.ROUTER, listening_fd, path, access, message_log, max_message_bytes, housekeeping
        )
        self._handler = handler

    def close(self) -> None:
        for request, reply in self._handler.finish():
            self._send(request, reply)
        super().close()

    def _sources(self) -> Sequence[Any]:
        fds = self._handler.finished_fds
        return (self._socket, *fds) if self._handler.free_slots else fds

    def _is_soon_readable(self) -> bool:
        # Whoever only looks again keeps the handler's threads from the interpreter.
        return not self._handler.has_threads_at_work and super()._is_soon_readable()

    def _answer_waiting(self) -> bool:
        has_answered = False
        stop = time.monotonic() + _TURN_S
        handler = self._handler
        while handler.free_slots > 0 and not handler.has_finished:
            if not zmq.zmq_poll(self._readable, 0) or time.monotonic() > stop:
                break
            try:
                self._take_one()
            except zmq.Again:
                break
            has_answered = True
        for request, reply in handler.finished():
            self._send(request, reply)
            has_answered = True
        return has_answered

    def _take_one(self) -> None:
        """
        Raises:
            zmq.Again: none waits.
        """
        envelope = [self._socket.recv(NOBLOCK)]  # begins with who sent it
        frame = self._socket.recv(0, False)
        while frame.more and len(frame) and len(envelope) < MOST_PARTS:
            envelope.append(frame.bytes)
            frame = self._socket.recv(0, False)
        if not frame.more:
            return  # without the empty frame that ends an envelope there is no way back
        if len(frame):
            self._rest_is_read_off(frame)
            return
        envelope.append(b"")
        frame = self._socket.recv(0, False)
        data = frame.bytes
        if frame.more:
            if not self._rest_is_read_off(frame):
                return
            data = b""  # a request is one frame; the dispatcher refuses the empty one
        address, fd = self._sender(frame)
        if fd in self._connections.cut_off_fds and self._connections.is_cut_off(fd):
            return
        user_id = self._access.user_id(address)
        if user_id is None:
            self._socket.send_multipart([*envelope, self._unread.frame(fd, NO_PERMISSION)])
            return
        received_ns = time.monotonic_ns()
        request = IncomingRequest(data, user_id, address, fd, received_ns, self._socket, envelope)
        if (reply := self._handler.handle(request)) is not None:
            self._send(request, reply)

    def _send(self, request: IncomingRequest, reply: bytes) -> None:
        fd = request.fd
        if request.socket.closed or (
            fd in self._connections.cut_off_fds and self._connections.is_cut_off(fd)
        ):
            return
        # Not `send_multipart`, which takes longer to look at the frames than to send them.
        for frame in request.envelope:
            self._socket.send(frame, _MORE)
        self._socket.send(self._unread.frame(fd, reply))
        if self._message_log.is_on():
            self._message_log.record(request, reply)
