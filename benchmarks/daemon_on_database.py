import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon_process import DaemonProcess


@contextmanager
def daemon_on(database: Path, command: list[str] | None = None) -> Iterator[DaemonProcess]:
    """A daemon for a database that is there already; not started yet, and ended in any case.

    Args:
        command: what to run instead of `pack-db serve`.
    """
    # The socket has a directory of its own: a path may be too long for one.
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        daemon = DaemonProcess(Path(directory), {"DB_PATH": str(database.resolve())}, command)
        try:
            yield daemon
        finally:
            daemon.clean_up()


@contextmanager
def running_daemon_on(database: Path, command: list[str] | None = None) -> Iterator[DaemonProcess]:
    with daemon_on(database, command) as daemon:
        daemon.start()
        yield daemon
