import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pack_db_client import PackDb
from pack_db_client.transport.unavailable import why_unavailable

PATIENCE_S = 30.0


class DaemonProcess:
    """A real daemon in a process of its own, on files below one directory.

    Args:
        directory: short, as a unix socket's path has 107 bytes at most.
        settings: environment for the daemon, over a clean one.
        command: what to run instead of `pack-db serve`.
    """

    def __init__(
        self,
        directory: Path,
        settings: dict[str, str] | None = None,
        command: list[str] | None = None,
    ) -> None:
        self.directory = directory
        self.log_path = directory / "log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "DB_PATH": str(directory / "pack.db"),
            "ZMQ_SOCKET_PATH": str(directory / "s"),
            **(settings or {}),
        }
        self.socket_path = Path(self.environment["ZMQ_SOCKET_PATH"])
        self.database_path = Path(self.environment["DB_PATH"])
        self._command = command or [sys.executable, "-m", "pack_db_daemon", "serve"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def start(self, *, wait: bool = True) -> None:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self.environment,
                cwd=self.directory,  # no .env of the checkout is read
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_until_it_listens()

    def wait_until_it_listens(self) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while why_unavailable(self.socket_path) is not None:
            if self._running().poll() is not None:
                raise RuntimeError(f"the daemon ended with {self._running().poll()}:\n{self.log}")
            if time.monotonic() > give_up:
                raise RuntimeError(f"the daemon does not listen:\n{self.log}")
            time.sleep(0.005)

    def send_signal(self, number: signal.Signals) -> None:
        self._running().send_signal(number)
        if number == signal.SIGSTOP:
            # Its threads stop one after the other; until the last has, it may still answer.
            os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return self._running().wait(PATIENCE_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def clean_up(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def client(self, timeout_s: float = PATIENCE_S) -> PackDb:
        return PackDb(self.socket_path, timeout_s=timeout_s)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the daemon was not started")
        return self._process
