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
        self._opened = [(str(p), p.stat().st_dev, p.stat().st_ino) for p in (path, self.log)]

    def check(self) -> None:
        """
        Raises:
            StorageMoved: another file is at the path of one of them, or none.
        """
        for path, device, inode in self._opened:
            try:
                found = os.stat(path)
            except OSError as exc:
                raise StorageMoved(
                    f"{path} is gone ({exc.strerror}); put it back, or restore a backup"
                ) from exc
            if found.st_ino != inode or found.st_dev != device:
                raise StorageMoved(
                    f"{path} is another file now than the one in use; "
                    "put that one back, or restart the daemon to use this one"
                )
