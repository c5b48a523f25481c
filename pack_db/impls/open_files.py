import os
import time
from collections.abc import Callable
from pathlib import Path

from pack_db.errors import StorageMoved

_LONGEST_TICK_NS = 10**9  # of a file system's clock; usually 1 to 10 ms


class OpenFiles:
    """The database and its write-ahead log as SQLite has them open.

    SQLite goes on writing into a file that was moved or removed, and reports success.

    Args:
        path: the database; SQLite has opened both files.
        clock_ns: the clock that file systems go by.
    """

    def __init__(self, path: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.log = path.with_name(path.name + "-wal")
        self._clock_ns = clock_ns
        self._directory = str(path.parent)
        found = os.stat(self._directory)
        self._directory_is = (found.st_dev, found.st_ino)
        self._all_there: tuple[int, int, int] | None = None  # when the files were last looked at
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
        try:
            directory = os.stat(self._directory)
        except OSError:
            raise _moved(self._opened[0][0]) from None
        # Whatever takes a file out of a directory changes the time of the directory.
        seen = (directory.st_dev, directory.st_ino, directory.st_ctime_ns)
        if seen == self._all_there:
            return
        if seen[:2] != self._directory_is:
            raise _moved(self._opened[0][0])
        # Not os.stat(file): it asks for the time of the last write, after which Linux 6.13 and
        # newer note each write's exact time on the disk, and a sync takes half as long again.
        for path, link, name in self._opened:
            if os.readlink(link) != name:
                raise _moved(path)
        # Older ones count time in ticks, and another change may follow in the same one.
        if self._clock_ns() - directory.st_ctime_ns > _LONGEST_TICK_NS:
            self._all_there = seen

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
