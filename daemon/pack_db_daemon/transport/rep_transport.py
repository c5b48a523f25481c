import time
from collections.abc import Callable

import zmq

from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.access_control import AccessControl
from pack_db_daemon.transport.message_log import MessageLog
from pack_db_daemon.transport.request_handler import IncomingRequest
from pack_db_daemon.transport.socket_loop import NO_PERMISSION, NOBLOCK, Transport


class RepTransport(Transport):
    """Carries messages between a REP socket and the dispatcher, one at a time.

    libzmq handles the envelope, in C: a lone client waits a sixth less than with a ROUTER. But it
    reads an envelope to its end, however long that is.

    Args:
        listening_fd, path, access, message_log, max_message_bytes, housekeeping: as `Transport`.
    """

    def __init__(
        self,
        listening_fd: int,
        path: str,
        access: AccessControl,
        message_log: MessageLog,
        dispatcher: Dispatcher,
        queue: QueueStatistics,
        max_message_bytes: int,
        housekeeping: Callable[[], bool],
    ) -> None:
        super().__init__(
            zmq.REP, listening_fd, path, access, message_log, max_message_bytes, housekeeping
        )
        self._dispatcher = dispatcher
        self._queue = queue
        self._was_idle = True  # when it looked last, there was nothing

    def _answer_waiting(self) -> bool:
        if not zmq.zmq_poll(self._readable, 0):
            self._was_idle = True
            return False
        try:
            frame = self._socket.recv(NOBLOCK, copy=False)
        except zmq.Again:
            return False
        received_ns = time.monotonic_ns()
        self._queue.messages += 1
        self._queue.waited += not self._was_idle
        self._was_idle = False
        message = frame.bytes
        if frame.more:
            if not self._rest_is_read_off(frame):
                return True
            message = b""  # a request is one frame; the dispatcher refuses the empty one
        address, fd = self._sender(frame)
        if fd in self._connections.cut_off_fds and self._connections.is_cut_off(fd):
            self._socket.send(b"")
            return True
        user_id = self._access.user_id(address)
        if user_id is None:
            self._socket.send(self._unread.frame(fd, NO_PERMISSION))
            return True
        reply = self._dispatcher.dispatch(message, user_id)
        self._socket.send(self._unread.frame(fd, reply))
        if self._message_log.is_on():
            request = IncomingRequest(message, user_id, address, fd, received_ns, self._socket)
            self._message_log.record(request, reply)
        return True
