import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zmq

from pack_db_client.protocol.requests import decode_request
from tests.exactly_once.fake_daemon import shut_down

_LATE_MS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """What happens to every message under way."""

    lost_requests: int = 0  # so many copies never arrive, and the connection is lost with them
    lost_replies: int = 0  # so many replies never arrive, and the connection is lost with them
    copies: int = 1  # how many arrive of each that does
    late: bool = False  # the first copy arrives after the next message, or some time later


class Proxy:
    """Stands between clients and the daemon and handles whole messages, envelopes and all."""

    def __init__(self, path: Path, daemon_path: Path, mischief: Mischief) -> None:
        self.lost = 0  # requests and replies
        self._mischief = mischief
        self._requests_seen: Counter[bytes] = Counter()
        self._replies_seen: Counter[tuple[bytes, bytes]] = Counter()
        self._client_ids: dict[bytes, bytes] = {}  # by routing id
        self._fds: dict[bytes, int] = {}  # by routing id, of the connections not lost yet
        self._delayed: list[list[bytes]] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._front = self._context.socket(zmq.ROUTER)
        self._front.bind(f"ipc://{path}")
        self._back = self._context.socket(zmq.DEALER)
        self._back.connect(f"ipc://{daemon_path}")
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def close(self) -> None:
        os.write(self._stop_writer, b"x")
        self._thread.join()
        self._context.destroy(linger=0)
        os.close(self._stop_reader)
        os.close(self._stop_writer)

    def _carry(self) -> None:
        poller = zmq.Poller()
        for readable in (self._front, self._back, self._stop_reader):
            poller.register(readable, zmq.POLLIN)
        while self._stop_reader not in (ready := dict(poller.poll(_LATE_MS))):
            if self._front in ready:
                self._carry_request(self._front.recv_multipart(copy=False))
            else:
                self._send_delayed()
            if self._back in ready:
                self._carry_reply(self._back.recv_multipart())

    def _carry_request(self, frames: list[zmq.Frame]) -> None:
        parts = [frame.bytes for frame in frames]
        self._client_ids[parts[0]] = decode_request(parts[-1]).client_id
        self._fds[parts[0]] = int(frames[-1].get(zmq.SRCFD))
        self._requests_seen[parts[-1]] += 1
        seen = self._requests_seen[parts[-1]]
        if seen <= self._mischief.lost_requests:
            self._lose(parts[0])
        elif self._mischief.late and seen == 1:
            self._delayed.append(parts)
        else:
            self._send(parts)
            self._send_delayed()

    def _send_delayed(self) -> None:
        for parts in self._delayed:
            self._send(parts)
        self._delayed.clear()

    def _send(self, parts: list[bytes]) -> None:
        for _ in range(self._mischief.copies):
            self._back.send_multipart(parts)

    def _carry_reply(self, parts: list[bytes]) -> None:
        message = (
            self._client_ids[parts[0]],
            parts[-1],
        )  # whose it is, and what: the same for every copy
        self._replies_seen[message] += 1
        if self._replies_seen[message] <= self._mischief.lost_replies:
            self._lose(parts[0])
        else:
            self._front.send_multipart(parts)

    def _lose(self, routing_id: bytes) -> None:
        self.lost += 1
        if (fd := self._fds.pop(routing_id, None)) is not None:
            shut_down(fd)


@contextmanager
def proxy(path: Path, daemon_path: Path, mischief: Mischief) -> Iterator[Proxy]:
    carrier = Proxy(path, daemon_path, mischief)
    try:
        yield carrier
    finally:
        carrier.close()
