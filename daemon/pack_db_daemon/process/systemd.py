import logging
import os
import socket
import time
from collections.abc import Mapping

from pack_db.errors import ConfigurationError

_log = logging.getLogger(__name__)

_FIRST_FD = 3  # SD_LISTEN_FDS_START


class Systemd:
    """systemd, or whoever started this process and speaks sd_notify(3) and sd_listen_fds(3).

    Where nobody does, nobody is told.

    Args:
        environment: what the service manager left for this process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def inherited_fds(self) -> range:
        """The file descriptors that were passed to this very process.

        Raises:
            ConfigurationError: LISTEN_FDS is not a number.
        """
        if self._environment.get("LISTEN_PID") != str(os.getpid()):
            return range(0)
        count = self._environment.get("LISTEN_FDS", "")
        if not (count.isascii() and count.isdigit()):
            raise ConfigurationError(f"LISTEN_FDS: must be a number of descriptors, not {count!r}")
        return range(_FIRST_FD, _FIRST_FD + int(count))

    def ready(self, status: str) -> None:
        """Started, or done with what `reloading` began. `status` is a line for people."""
        self._notify("READY=1", _status(status))

    def failed(self, reason: str) -> None:
        self._notify(_status(reason))

    def reloading(self) -> None:
        self._notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self) -> None:
        """To be told more often than the service manager's watchdog bites."""
        if "WATCHDOG_USEC" in self._environment:
            self._notify("WATCHDOG=1")

    def stopping(self) -> None:
        self._notify("STOPPING=1", _status("stopping"))

    def _notify(self, *assignments: str) -> None:
        address = self._environment.get("NOTIFY_SOCKET")
        if not address:
            return
        if address.startswith("@"):
            address = "\0" + address[1:]  # a name of Linux's abstract namespace
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
                notifications.sendto("\n".join(assignments).encode(), address)
        except OSError as exc:
            # The service manager acts upon silence by itself; callers are better served meanwhile.
            _log.warning("cannot tell the service manager %s: %s", assignments[0], exc)


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())
