import os
from pathlib import Path

from pack_db.errors import StorageCorrupt

# sqlite.org/walformat.html, 2.1 and 2.2: the salts of the log, how much of it was written back,
# and how much somebody has begun to write back. Numbers are in the machine's byte order.
_INDEX_BYTES = 132
_SALTS = slice(32, 40)
_WRITTEN_BACK = slice(96, 100)
_BEGUN = slice(128, 132)

_Marks = tuple[bytes, bytes, bytes]
_Times = tuple[int, int]  # size in bytes, and when it was written last


class ForeignWrites:
    """Notices when the database is overwritten or cut off while SQLite has it open.

    SQLite writes to it only to write the log back, and says so in its index of the log, whichever
    process does it.

    Args:
        path: the database; SQLite has opened it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        self._index_fd = os.open(path.with_name(path.name + "-shm"), os.O_RDONLY | os.O_CLOEXEC)
        self._marks = self._marks_now()
        self._times = self._times_now()

    def check(self) -> None:
        """To be called about once a second, as asking for the time of a file makes the next write
        to it note the exact time.

        Raises:
            StorageCorrupt: somebody else wrote to the database since the last time.
        """
        marks = self._marks_now()
        times = self._times_now()
        if times != self._times and not self._explained():
            raise StorageCorrupt(
                f"{self._path} was overwritten or cut off by another program; stop the daemon, "
                "keep what is there, and restore a backup"
            )
        self._marks, self._times = marks, times

    def close(self) -> None:
        """Not before SQLite has closed the database: it would lose its locks (fcntl(2))."""
        os.close(self._fd)
        os.close(self._index_fd)

    def _explained(self) -> bool:
        now = self._marks_now()
        _, written_back, begun = now
        return now != self._marks or begun != written_back

    def _times_now(self) -> _Times:
        found = os.stat(self._fd)
        return found.st_size, found.st_mtime_ns

    def _marks_now(self) -> _Marks:
        index = os.pread(self._index_fd, _INDEX_BYTES, 0)
        return index[_SALTS], index[_WRITTEN_BACK], index[_BEGUN]
