"""The ROUTER socket's loop on its own, with replies of the test's."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from pack_db_daemon.transport import socket_loop as transport
from pack_db_daemon.transport.access_control import AccessControl
from pack_db_daemon.transport.message_log import MessageLog
from pack_db_daemon.transport.request_handler import IncomingRequest, RequestHandler
from pack_db_daemon.transport.router_transport import RouterTransport
from tests.faults.zmtp_peer import ZmtpPeer, short_frame

_TICK_S = 0.05
_AN_HOUR_S = 3600.0
_PATIENCE_MS = 30_000


class SlowOnce(RequestHandler):
    """Takes until after the next tick for the first message; the tick after it is far away."""

    free_slots = 8

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._is_first = True

    def handle(self, request: IncomingRequest) -> bytes:
        if self._is_first:
            self._is_first = False
            self._monkeypatch.setattr(transport, "_TICK_S", _AN_HOUR_S)
            time.sleep(2 * _TICK_S)
        return request.data

    def finished(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        return iter(())


class FirstIsLate(RequestHandler):
    """Answers the first message only after `may_answer`; others at once."""

    free_slots = 8

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.has_first = threading.Event()
        self._first: IncomingRequest | None = None

    def handle(self, request: IncomingRequest) -> bytes | None:
        if self.has_first.is_set():
            return request.data
        self._first = request
        self.has_first.set()
        return None

    def finished(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        if self._first is not None and self.may_answer.is_set():
            yield self._first, b"too late"
            self._first = None
            self.may_answer.clear()


@contextmanager
def _serving(path: Path, handler: RequestHandler) -> Iterator[None]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    stopped = threading.Event()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        router = RouterTransport(
            listening.fileno(),
            str(path),
            AccessControl(frozenset(), frozenset()),
            MessageLog(lambda name: None),
            handler,
            2**18,
            lambda: False,
        )
        serving = threading.Thread(target=router.serve, args=(reader, stopped.is_set))
        serving.start()
        try:
            yield
        finally:
            stopped.set()
            os.write(writer, b"x")
            serving.join()
            router.close()
    os.close(reader)
    os.close(writer)


def test_a_second_message_of_a_sender_does_not_wait_for_the_tick_after_a_slow_first(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_TICK_S", _TICK_S)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context.socket(zmq.DEALER) as client:
        # Both are there before the loop looks.
        client.linger = 0
        client.connect(f"ipc://{short_path / 's'}")
        for text in (b"first", b"second"):
            client.send_multipart([b"", text])
        with _serving(short_path / "s", SlowOnce(monkeypatch)):
            for text in (b"first", b"second"):
                assert client.poll(_PATIENCE_MS), text
                assert client.recv_multipart() == [b"", text]
    context.term()


def _answer_to(text: bytes, context: "zmq.Context[zmq.Socket[bytes]]", path: Path) -> bytes:
    """What a new client gets; it sends again, as its connection may be among the old ones."""
    give_up = time.monotonic() + _PATIENCE_MS / 1000
    while time.monotonic() < give_up:
        with context.socket(zmq.REQ) as client:
            client.linger = 0
            client.connect(f"ipc://{path}")
            client.send(text)
            if client.poll(_PATIENCE_MS // 20):
                return client.recv()
    raise AssertionError("no answer")


def test_an_answer_to_a_connection_that_was_made_anew_is_dropped(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_READ_OFF_S", 0.0)
    path = short_path / "s"
    handler = FirstIsLate()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context.socket(zmq.DEALER) as client, _serving(path, handler):
        client.linger = 0
        client.connect(f"ipc://{path}")
        client.send_multipart([b"", b"first"])
        assert handler.has_first.wait(_PATIENCE_MS / 1000)
        with ZmtpPeer(path) as peer:
            peer.shake_hands()
            peer.send(short_frame(b"", more=True) * 1000 + short_frame(b""))
            peer.wait_until_closed()
        handler.may_answer.set()
        for text in (b"a", b"b", b"c"):
            assert _answer_to(text, context, path) == text  # with the routing id of before, maybe
        # Libzmq has connected again by itself.
        client.send_multipart([b"", b"second"])
        assert client.poll(_PATIENCE_MS)
        assert client.recv_multipart() == [b"", b"second"]
    context.term()
