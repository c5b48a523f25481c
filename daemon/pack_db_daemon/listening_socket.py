import errno
import fcntl
import grp
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError, PackDbError

_BACKLOG = 1024


class SocketInUse(PackDbError):
    """Something that is not our own dead socket is at the socket's path; it was not touched."""

    code = "socket_in_use"


class ListeningSocket:
    """A unix socket that clients can connect to, with its mode and group from the first instant.

    libzmq could bind by itself, but deletes whatever is at the path, takes it from a living
    daemon without an error, and leaves the mode to the umask.

    Raises:
        SocketInUse: a living daemon, or something that is no socket, is at the path.
        ConfigurationError: the directory or the group does not exist or may not be used.
    """

    def __init__(self, config: Config) -> None:
        self.path: Path = config.socket_path
        directory = self.path.parent
        try:
            _make_safe(directory)
            group_id = _group_id(config.socket_group)
            with _one_at_a_time(self.path):
                _remove_dead_socket(self.path)
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                try:
                    self._bind(config.socket_mode, group_id)
                    self._socket.listen(_BACKLOG)
                except BaseException:
                    self._socket.close()
                    raise
        except OSError as exc:
            raise ConfigurationError(
                f"{ConfigKeys.ZMQ_SOCKET_PATH}: cannot listen at {self.path}: {exc.strerror}"
            ) from exc

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Stop listening and remove the socket, if it is still this one at the path."""
        if os.path.lexists(self.path) and os.stat(self.path).st_ino == self._inode:
            self.path.unlink()
        self._socket.close()

    def _bind(self, mode: int, group_id: int | None) -> None:
        # The new file takes the mode of the socket (unix_bind in Linux's net/unix/af_unix.c).
        # With a group it is the owner's alone until the group is right.
        os.fchmod(self._socket.fileno(), mode if group_id is None else mode & 0o700)
        umask = os.umask(0)
        try:
            self._socket.bind(str(self.path))
        finally:
            os.umask(umask)
        self._inode = os.stat(self.path).st_ino
        if group_id is not None:
            os.chown(self.path, -1, group_id)
            os.chmod(self.path, mode)


def _make_safe(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = directory.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"{ConfigKeys.ZMQ_SOCKET_PATH}: everybody may write to {directory}, so anybody could "
            "replace the socket; use another directory, or chmod o-w this one"
        )


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    # Of two daemons that both found a dead socket, the slower one would remove the other's
    # new one. The file stays: removing it would let two processes lock two files.
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_dead_socket(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise SocketInUse(f"{path} is there and is no socket; remove it, or use another path")
    if status.st_uid != os.geteuid():
        raise SocketInUse(f"{path} belongs to user {status.st_uid}; use another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a stopped daemon with a full backlog lets nobody in
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise SocketInUse(f"{_listener(probe)} listens at {path}; stop it, or use another path")
    path.unlink()


def _listener(probe: socket.socket) -> str:
    """Who listens at the other end, in words."""
    credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, _, _ = struct.unpack("3i", credentials)
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "another process"
    return f"process {pid} ({name})"


def _group_id(name: str | None) -> int | None:
    if name is None:
        return None
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigurationError(f"{ConfigKeys.SOCKET_GROUP}: there is no group {name}") from None
