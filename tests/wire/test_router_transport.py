"""The ROUTER socket's loop on its own, with answers of the test's."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import zmq

from pack_db_daemon import transport
from pack_db_daemon.answering import Answering, Letter
from pack_db_daemon.callers import Callers
from pack_db_daemon.message_log import MessageLog
from pack_db_daemon.router_transport import RouterTransport

_TICK_S = 0.05
_AN_HOUR_S = 3600.0
_PATIENCE_MS = 10_000


class SlowOnce(Answering):
    """Takes until after the next tick for the first message; the tick after it is far away."""

    room = 8

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._is_first = True

    def answer(self, letters: Sequence[Letter]) -> Iterator[tuple[Letter, bytes]]:
        if letters and self._is_first:
            self._is_first = False
            self._monkeypatch.setattr(transport, "_TICK_S", _AN_HOUR_S)
            time.sleep(2 * _TICK_S)
        for letter in letters:
            yield letter, letter.data


def test_a_second_message_of_a_sender_does_not_wait_for_the_tick_after_a_slow_first(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_TICK_S", _TICK_S)
    path = str(short_path / "s")
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    stopped = threading.Event()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with socket.socket(socket.AF_UNIX) as listening, context.socket(zmq.DEALER) as client:
        listening.bind(path)
        listening.listen()
        router = RouterTransport(
            listening.fileno(),
            path,
            Callers(frozenset(), frozenset()),
            MessageLog(lambda name: None),
            SlowOnce(monkeypatch),
            2**18,
            lambda: False,
        )
        # Both are there before the loop looks.
        client.linger = 0
        client.connect(f"ipc://{path}")
        for text in (b"first", b"second"):
            client.send_multipart([b"", text])
        serving = threading.Thread(target=router.serve, args=(reader, stopped.is_set))
        serving.start()
        try:
            for text in (b"first", b"second"):
                assert client.poll(_PATIENCE_MS), text
                assert client.recv_multipart() == [b"", text]
        finally:
            stopped.set()
            os.write(writer, b"x")
            serving.join()
            router.close()
    context.term()
    os.close(reader)
    os.close(writer)
