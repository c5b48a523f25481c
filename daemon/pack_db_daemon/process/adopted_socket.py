import os
import socket
from collections.abc import Sequence
from pathlib import Path

from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError, PackDbError


class SocketLost(PackDbError):
    """The socket's file is no longer there, and only the service manager can make it anew."""

    code = "socket_lost"


class AdoptedSocket:
    """The listening unix socket that the service manager made, and keeps when this one ends.

    It is checked here, since libzmq takes any descriptor and aborts the process later.

    Args:
        fds: the inherited descriptors; there must be one.

    Raises:
        ConfigurationError: it is not a listening stream socket at the configured path.
        SocketLost: nothing is at that path.
    """

    def __init__(self, fds: Sequence[int], config: Config) -> None:
        self.path: Path = config.socket_path
        if len(fds) != 1:
            raise ConfigurationError(
                f"the service manager passed {len(fds)} descriptors; "
                "pack-db takes one: leave one ListenStream= in its .socket unit"
            )
        try:
            self._socket = socket.socket(fileno=fds[0])
        except OSError as exc:
            raise _refused(fds[0], f"is no socket: {exc.strerror}") from exc
        try:
            self._check(fds[0])
        except BaseException:
            self._socket.close()
            raise
        os.set_inheritable(fds[0], False)
        self._identity = self._identity_at_path()

    def fileno(self) -> int:
        return self._socket.fileno()

    def is_in_place(self) -> bool:
        """True.

        Raises:
            SocketLost: it is no longer where clients look.
        """
        if self._identity_at_path() != self._identity:
            raise self._lost()
        return True

    def renew(self) -> None:
        """
        Raises:
            SocketLost: always, as nobody else than the service manager may listen there.
        """
        raise self._lost()

    def close(self) -> None:
        """Give the socket back: who connects from now on waits for the next daemon."""
        self._socket.close()

    def _check(self, fd: int) -> None:
        if self._socket.family != socket.AF_UNIX:
            raise _refused(fd, "is no unix socket")
        if self._socket.type != socket.SOCK_STREAM:
            raise _refused(fd, "is no stream socket")
        if not self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise _refused(fd, "does not listen")
        # A path comes as text, a name of the abstract namespace as bytes.
        address = os.fsdecode(self._socket.getsockname())
        if address != str(self.path):
            raise ConfigurationError(
                f"the service manager passed a socket at {address!r}, but clients look for "
                f"{self.path}; make ListenStream= and {ConfigKeys.ZMQ_SOCKET_PATH} the same"
            )

    def _identity_at_path(self) -> tuple[int, int]:
        try:
            status = self.path.lstat()
        except OSError as exc:
            raise self._lost() from exc
        return status.st_dev, status.st_ino

    def _lost(self) -> SocketLost:
        return SocketLost(
            f"the socket {self.path} was removed or replaced, so no client finds it; have the "
            "service manager make it anew: systemctl restart pack-db.socket"
        )


def _refused(fd: int, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"descriptor {fd} from the service manager {reason}; "
        "pass a unix socket by ListenStream= in a .socket unit"
    )
