import os
from pathlib import Path

from pack_db.errors import StorageMoved


class OpenFiles:
    """The database and its write-ahead log as SQLite has them open.

    SQLite goes on writing into a file that was moved or removed, and reports success.

    Args:
        path: the database; SQLite has opened both files.
    """

    def __init__(self, path: Path) -> None:
        self.log = path.with_name(path.name + "-wal")
        self._directory = str(path.parent)
        self._directory_is = _identity(self._directory)
        # Closing any other kind of descriptor would give up SQLite's locks (fcntl(2)).
        self._fds = [os.open(p, os.O_PATH | os.O_CLOEXEC) for p in (path, self.log)]
        self._opened = [
            (str(p), link, os.readlink(link))
            for p, fd in zip((path, self.log), self._fds, strict=True)
            for link in [f"/proc/self/fd/{fd}"]
        ]

    def check(self) -> None:
        """
        Raises:
            StorageMoved: another file is at the path of one of them, or none.
        """
        # Not os.stat(file): it asks for the time of the last write, after which Linux 6.13 and
        # newer note each write's exact time on the disk, and a sync takes half as long again.
        for path, link, name in self._opened:
            if os.readlink(link) != name:
                raise _moved(path)
        try:
            is_same = _identity(self._directory) == self._directory_is
        except OSError:
            is_same = False
        if not is_same:
            raise _moved(self._opened[0][0])

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def _identity(directory: str) -> tuple[int, int]:
    found = os.stat(directory)
    return found.st_dev, found.st_ino


def _moved(path: str) -> StorageMoved:
    if os.path.exists(path):
        return StorageMoved(
            f"{path} is another file now than the one in use; "
            "put that one back, or restart the daemon to use this one"
        )
    return StorageMoved(f"{path} is gone; put it back, or restore a backup")
