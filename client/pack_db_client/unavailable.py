import socket
from pathlib import Path

from pack_db.errors import NoDaemon, PermissionDenied, Unavailable


def why_unavailable(path: Path) -> Unavailable | None:
    """Why nothing can be sent to the socket at `path`; None if somebody listens there.

    libzmq's connect succeeds whatever is at the path, so a plain one has to find out.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except PermissionError:
            return PermissionDenied(
                f"no permission on the socket {path}; ask its owner to let this user in "
                "(SOCKET_GROUP, SOCKET_MODE)"
            )
        except BlockingIOError:
            return None  # the queue of those who wait for the daemon is full
        except OSError as exc:
            return NoDaemon(
                f"no daemon listens at {path} ({exc.strerror or exc}); "
                "start one with 'pack-db serve', or set ZMQ_SOCKET_PATH to where it listens"
            )
    return None
