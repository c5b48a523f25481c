import os
import socket
from pathlib import Path

from pack_db.errors import NoDaemon, PermissionDenied, Unavailable


def why_unavailable(path: Path) -> Unavailable | None:
    """Why nothing can be sent to the socket at `path`; None if somebody listens there.

    libzmq's connect succeeds whatever is at the path, so a plain one has to find out.
    """
    try:
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as exc:
        return _no_descriptors(exc)
    with probe:
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
            if path.exists() and not path.is_socket():
                return NoDaemon(
                    f"{path} is no socket; name the one where the daemon listens "
                    "(ZMQ_SOCKET_PATH, or --socket on the command line)"
                )
            return NoDaemon(
                f"no daemon listens at {path} ({exc.strerror or exc}); "
                "start one with 'pack-db serve', or set ZMQ_SOCKET_PATH to where it listens"
            )
    return None


def require_descriptors(count: int) -> None:
    """Find out beforehand: libzmq ends the process when it can have no more descriptors.

    Raises:
        Unavailable: this process cannot open `count` more files.
    """
    opened = []
    try:
        for _ in range(count):
            opened.append(os.eventfd(0, os.EFD_CLOEXEC))  # noqa: PERF401  # one may fail
    except OSError as exc:
        raise _no_descriptors(exc) from exc
    finally:
        for fd in opened:
            os.close(fd)


def _no_descriptors(exc: OSError) -> Unavailable:
    return Unavailable(
        f"this process cannot open another file ({exc.strerror}); nothing was sent. "
        "Close some, or raise the limit (ulimit -n, or LimitNOFILE= of systemd)"
    )
