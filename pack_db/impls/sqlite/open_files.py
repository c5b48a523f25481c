import os
import time
from collections.abc import Callable
from pathlib import Path

from pack_db.errors import StorageMoved

_LONGEST_TICK_NS = 3 * 10**9  # of a file system's clock: 2 s on FAT, elsewhere 10 ms at most

_Directory = tuple[int, int, int]  # device, inode, and nanoseconds of the last change


class OpenFiles:
    """The database and its write-ahead log as SQLite has them open.

    SQLite goes on writing into a file that was moved or removed, and reports success.

    Args:
        path: the database; SQLite has opened both files.
        clock_ns: the clock that file systems go by.
        link: a symbolic link to it, by which it is known.
    """

    def __init__(
        self,
        path: Path,
        clock_ns: Callable[[], int] = time.time_ns,
        link: Path | None = None,
    ) -> None:
        self._path = str(path)
        self._link = link
        self.log = path.with_name(path.name + "-wal")
        self._clock_ns = clock_ns
        self._directory = str(path.parent)
        self._checked: _Directory | None = None  # as it was when all files were there
        # Closing any other kind of descriptor would give up SQLite's locks (fcntl(2)).
        self._fds = [os.open(p, os.O_PATH | os.O_CLOEXEC) for p in (path, self.log)]
        self._opened = [
            (str(p), link, os.readlink(link))
            for p, fd in zip((path, self.log), self._fds, strict=True)
            for link in [f"/proc/self/fd/{fd}"]
        ]
        found = path.parent.stat()
        self._directory_is = found.st_dev, found.st_ino

    def check(self) -> None:
        """
        Raises:
            StorageMoved: another file is at the path of one of them, or none.
        """
        self._checked = None
        self.check_if_changed()

    def check_if_changed(self) -> None:
        """As `check`, in a fifth of the time if nothing in the directory was moved since."""
        try:
            found = os.stat(self._directory)
        except OSError:
            raise _moved(self._opened[0][0]) from None
        # Whatever takes a file out of a directory changes the time of the directory.
        directory = found.st_dev, found.st_ino, found.st_ctime_ns
        if directory == self._checked and self._link is None:
            return
        self._checked = None
        if self._link is not None and os.path.realpath(self._link) != self._path:
            raise _moved(str(self._link))
        if directory[:2] != self._directory_is:
            raise _moved(self._opened[0][0])
        # Not os.stat(file): it asks for the time of the last write, after which Linux 6.13 and
        # newer note each write's exact time on the disk, and a sync takes half as long again.
        for path, link, name in self._opened:
            if os.readlink(link) != name:
                raise _moved(path)
        # Many file systems count time in ticks, and a later change may get the same one.
        is_old = self._clock_ns() - directory[2] > _LONGEST_TICK_NS
        self._checked = directory if is_old else None

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def _moved(path: str) -> StorageMoved:
    if os.path.exists(path):
        return StorageMoved(
            f"{path} is another file now than the one in use; "
            "put that one back, or restart the daemon to use this one"
        )
    return StorageMoved(f"{path} is gone; put it back, or restore a backup")
