from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.daemon_process import DaemonProcess


@contextmanager
def running_daemons(directory: Path, urls: Sequence[str]) -> Iterator[list[DaemonProcess]]:
    """A daemon for each URL, as on several hosts, as far as one host can play them.

    Any user may call them.
    """
    directory.chmod(0o711)
    with ExitStack() as running:
        daemons = []
        for number, url in enumerate(urls):
            path = directory / str(number)
            path.mkdir(mode=0o711)
            daemon = DaemonProcess(path, {"DB_URL": url, "SOCKET_MODE": "0666"})
            running.callback(daemon.clean_up)
            daemon.start(wait=False)
            daemons.append(daemon)
        for daemon in daemons:
            daemon.wait_until_it_listens()
        yield daemons


def lead(link: Path, daemon: DaemonProcess) -> Path:
    """Make `link` the path of the daemon's socket, for all who connect from now on."""
    new = link.with_name(f"{link.name}.new")
    new.symlink_to(daemon.socket_path)
    return new.replace(link)
