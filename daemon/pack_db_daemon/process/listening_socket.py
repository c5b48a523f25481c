import errno
import fcntl
import grp
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        self._config = config
        self._listen()

    def fileno(self) -> int:
        return self._socket.fileno()

    def is_in_place(self) -> bool:
        """Whether it is where clients look; False if nothing is there.

        Raises:
            SocketInUse: something else is there.
        """
        try:
            status = self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        if (status.st_dev, status.st_ino) != self._identity:
            raise SocketInUse(
                f"something else has taken the place of the socket {self.path}, "
                "so clients no longer find this daemon"
            )
        return True

    def renew(self) -> None:
        """Listen anew, where nothing is any more; errors as when it was made."""
        self._socket.close()
        self._listen()

    def close(self) -> None:
        """Stop listening and remove the socket, if it is still this one at the path."""
        with suppress(OSError, SocketInUse):
            if self.is_in_place():
                self.path.unlink()
        self._socket.close()

    def _listen(self) -> None:
        with _free_place(self._config) as group_id:
            self.path.unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._bind(self._config.socket_mode, group_id)
                self._socket.listen(_BACKLOG)
            except BaseException:
                self._socket.close()
                raise

    def _bind(self, mode: int, group_id: int | None) -> None:
        # The new file takes the mode of the socket (unix_bind in Linux's net/unix/af_unix.c).
        # With a group it is the owner's alone until the group is right.
        os.fchmod(self._socket.fileno(), mode if group_id is None else mode & 0o700)
        umask = os.umask(0)
        try:
            self._socket.bind(str(self.path))
        finally:
            os.umask(umask)
        status = self.path.lstat()
        self._identity = (status.st_dev, status.st_ino)
        if group_id is not None:
            os.chown(self.path, -1, group_id)
            os.chmod(self.path, mode)


def check_socket_path(config: Config) -> None:
    """Find out, before anything is begun, whether a socket can be made; errors as there."""
    with _free_place(config):
        pass


@contextmanager
def _free_place(config: Config) -> Iterator[int | None]:
    """Keep other daemons off the path, where there is nothing, or a dead socket of ours.

    Yields:
        The numeric gid that the socket is to have, if one is configured.
    """
    try:
        _make_safe(config.socket_path.parent)
        group_id = _group_id(config.socket_group)
        with _one_at_a_time(config.socket_path):
            _check_free(config.socket_path)
            yield group_id
    except OSError as exc:
        raise ConfigurationError(
            f"{ConfigKeys.ZMQ_SOCKET_PATH}: cannot listen at {config.socket_path}: {exc.strerror}; "
            "set it to a path in a directory of this user"
        ) from exc


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
    # new one. The file stays: removing it would let two processes lock two files. When somebody
    # else removes it, `is_in_place` tells all daemons but one.
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _check_free(path: Path) -> None:
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
