import time
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from pack_db_daemon.transport.answering import Answering, Letter
from pack_db_daemon.transport.message_log import MessageLog
from pack_db_daemon.transport.peer_credentials import Callers
from pack_db_daemon.transport.socket_loop import MOST_PARTS, NO_PERMISSION, Transport


class RouterTransport(Transport):
    """Carries several messages at a time, each of another connection, to where they are answered.

    REQ clients notice no difference to a REP socket. libzmq's own proxy in front of REP sockets
    would not tell who sent a message.

    Args:
        listening_fd, path, callers, message_log, max_message_bytes, housekeeping: as `Transport`.
    """

    def __init__(
        self,
        listening_fd: int,
        path: str,
        callers: Callers,
        message_log: MessageLog,
        answering: Answering,
        max_message_bytes: int,
        housekeeping: Callable[[], bool],
    ) -> None:
        super().__init__(
            zmq.ROUTER, listening_fd, path, callers, message_log, max_message_bytes, housekeeping
        )
        self._answering = answering
        self._held: Letter | None = None
        if answering.finished_fds:
            self._tries = 1  # whoever only looks again keeps the threads from the interpreter

    def close(self) -> None:
        for letter, reply in self._answering.finish():
            self._send(letter, reply)
        super().close()

    def _sources(self) -> Sequence[Any]:
        fds = self._answering.finished_fds
        return (self._socket, *fds) if self._answering.room else fds

    def _has_more(self) -> bool:
        return self._held is not None and self._answering.room > 0

    def _answer_waiting(self) -> bool:
        letters = self._receive_waiting()
        answered = bool(letters)
        for letter, reply in self._answering.answer(letters):
            self._send(letter, reply)
            answered = True
        return answered

    def _receive_waiting(self) -> list[Letter]:
        letters = [] if self._held is None else [self._held]
        self._held = None
        senders = {letter.envelope[0] for letter in letters}
        socket = self._socket
        while len(letters) < self._answering.room:
            try:
                sender = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            letter = self._receive(sender)
            if self._socket is not socket:
                return []  # their senders see that their connections are gone, and send again
            if sender in senders:
                self._held = letter  # the sender's own order would be at stake
                break
            if letter is not None:
                letters.append(letter)
                senders.add(sender)
        return letters

    def _receive(self, sender: bytes) -> Letter | None:
        """The rest of a message; None for one that is not for the dispatcher."""
        envelope = [sender]
        frame = self._socket.recv(copy=False)
        while frame.more and len(frame) and len(envelope) < MOST_PARTS:
            envelope.append(frame.bytes)
            frame = self._socket.recv(copy=False)
        if not frame.more:
            return None  # without the empty frame that ends an envelope there is no way back
        if len(frame):
            self._rest_is_read_off(frame)
            return None
        envelope.append(b"")
        frame = self._socket.recv(copy=False)
        data = frame.bytes
        if frame.more:
            if not self._rest_is_read_off(frame):
                return None
            data = b""  # a request is one frame; the dispatcher refuses the empty one
        address, fd = self._sender(frame)
        if self._connections.is_cut_off(fd):
            return None
        user_id = self._callers.user_id(address)
        if user_id is None:
            self._send_back(envelope, fd, NO_PERMISSION)
            return None
        received_ns = time.monotonic_ns()
        return Letter(data, user_id, address, fd, received_ns, self._socket, envelope)

    def _send(self, letter: Letter, reply: bytes) -> None:
        if not letter.socket.closed and not self._connections.is_cut_off(letter.fd):
            self._send_back(letter.envelope, letter.fd, reply)
        self._message_log.record(letter, reply)

    def _send_back(self, envelope: Sequence[bytes], fd: int, reply: bytes) -> None:
        self._socket.send_multipart([*envelope, self._unread.frame(fd, reply)])
