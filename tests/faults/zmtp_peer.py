import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.daemon_process import PATIENCE_S

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"


def greeting(mechanism: bytes = b"NULL", version: bytes = b"\x03\x00") -> bytes:
    """The first 64 bytes of ZMTP 3."""
    return SIGNATURE + version + mechanism.ljust(20, b"\0") + bytes(32)


def ready(socket_type: bytes = b"REQ", properties: Mapping[bytes, bytes] | None = None) -> bytes:
    body = b"\x05READY"
    for name, value in {b"Socket-Type": socket_type, **(properties or {})}.items():
        body += bytes((len(name),)) + name + len(value).to_bytes(4) + value
    return b"\x04" + bytes((len(body),)) + body


def frame_header(size: int, *, more: bool = False) -> bytes:
    return bytes((2 | more,)) + size.to_bytes(8)


def frame(body: bytes, *, more: bool = False) -> bytes:
    return frame_header(len(body), more=more) + body


def short_frame(body: bytes, *, more: bool = False) -> bytes:
    """One of up to 255 bytes."""
    return bytes((more, len(body))) + body


def req_message(body: bytes) -> bytes:
    return frame(b"", more=True) + frame(body)


class ZmtpPeer:
    """A peer on a plain unix socket, for what libzmq would never send."""

    def __init__(self, path: Path) -> None:
        self._received = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))  # waits while the queue of connections is full
        self._socket.settimeout(PATIENCE_S)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_some(self, data: bytes) -> int:
        """Send what there is room for; returns its bytes."""
        return self._socket.send(data)

    def set_blocking(self, blocking: bool) -> None:
        self._socket.setblocking(blocking)

    def shake_hands(self, properties: Mapping[bytes, bytes] | None = None) -> None:
        self.send(greeting() + ready(properties=properties))
        self._take(64)
        self._frame()

    def reply(self) -> bytes:
        """The body of the next message."""
        assert self._frame() == b""  # the delimiter
        return self._frame()

    def discard(self) -> int:
        """Throw away what has come; returns its bytes."""
        return len(self._socket.recv(65536))

    def wait_until_closed(self) -> None:
        """Wait until the daemon has closed the connection, whatever it said before."""
        try:
            while self._socket.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _frame(self) -> bytes:
        flags = self._take(1)[0]
        return self._take(int.from_bytes(self._take(8 if flags & 2 else 1)))

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            data = self._socket.recv(65536)
            assert data, "the daemon has closed the connection"
            self._received += data
        taken, self._received = self._received[:size], self._received[size:]
        return taken
