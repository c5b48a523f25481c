import fcntl
import os
from pathlib import Path

from pack_db.errors import StorageError
from pack_db.impls.database.storage_errors import of_system


class FileLock:
    """An exclusive lock that the kernel drops with the process, however it ends.

    The file stays: removing it would let two processes lock two files of the same name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock and write down who has it; False if another process holds it.

        Raises:
            StorageError: the file cannot be made or locked.
        """
        while self._fd is None:
            fd = self._locked()
            if fd is None:
                return False
            if _is_at(fd, self._path):
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
                self._fd = fd
            else:
                os.close(fd)  # somebody removed the file between opening and locking it
        return True

    def holder(self) -> str:
        """Who holds the lock, in words."""
        try:
            pid = int(self._path.read_text())
        except (OSError, ValueError):
            return "another process"
        try:
            return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
        except OSError:
            return f"process {pid}"  # another user's, where systemd's ProtectProc= hides it

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _locked(self) -> int | None:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise of_system(f"cannot open the lock file {self._path}", exc) from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError as exc:
            os.close(fd)
            raise StorageError(
                f"cannot lock {self._path}: {exc.strerror}; is it on a file system without locks?"
            ) from exc
        return fd


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False
