import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon_process import DaemonProcess


@contextmanager
def running_daemon(settings: dict[str, str] | None = None) -> Iterator[DaemonProcess]:
    """A daemon that many tests may share: each works on accounts of its own."""
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory:
        daemon = DaemonProcess(Path(directory), settings)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.clean_up()
