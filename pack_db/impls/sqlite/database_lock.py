import fcntl
import os
from pathlib import Path

from pack_db.errors import StorageError
from pack_db.impls.database.storage_errors import of_system
from pack_db.impls.sqlite.file_lock import FileLock

_Identity = tuple[int, int]  # device and inode

_locked_here: set[_Identity] = set()
_inherited: set[_Identity] = set()  # from the process that this one was forked from


class DatabaseLock:
    """Keeps every other daemon and command away from a database.

    The lock file says who has it. The database itself is locked, too, as somebody may remove the
    lock file, or use another name of the database; flock(2) and SQLite's own locks do not meet.

    Args:
        path: no symbolic link, so that the lock file is beside the file itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = FileLock(path.with_name(path.name + ".lock"))
        self._holder = ""
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take what is not taken yet of both locks; False if another process has one of them.

        A database that is made afterwards is locked by calling it again.

        Raises:
            StorageError: a file cannot be opened or locked.
        """
        if not self._file.acquire():
            self._holder = self._file.holder()
            return False
        if self._fd is None and self._path.is_file() and not self._lock_database():
            self.release()
            self._holder = "another process, whose lock file is gone or beside another name of it"
            return False
        return True

    def holder(self) -> str:
        """Who has it that `acquire` did not get, in words."""
        return self._holder

    def release(self) -> None:
        """Not before SQLite has closed the database: it would lose its own locks (fcntl(2))."""
        if self._fd is not None:
            _locked_here.discard(_identity(os.fstat(self._fd)))
            os.close(self._fd)
            self._fd = None
        self._file.release()

    def leave_to_parent(self) -> None:
        """In a forked child: let go of the locks, which the parent keeps."""
        if self._fd is not None:
            _inherited.add(_identity(os.fstat(self._fd)))
        self.release()

    def _lock_database(self) -> bool:
        try:
            found = _identity(self._path.stat())
            if found in _inherited:
                # SQLite goes by the inode, and would take the parent's locks for its own.
                raise StorageError(
                    f"{self._path} was open in the process that this one was forked from; "
                    "open it in a new process"
                )
            if found in _locked_here:
                return False  # and opened and closed it would lose the locks that SQLite has
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
        except OSError as exc:
            raise of_system(f"cannot open {self._path}", exc) from exc
        self._fd = fd
        _locked_here.add(_identity(os.fstat(fd)))
        return True


def _identity(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino
