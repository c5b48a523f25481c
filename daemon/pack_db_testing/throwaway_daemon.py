import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pack_db.config import ConfigKeys
from pack_db_client import PackDb
from pack_db_client.transport.unavailable import why_unavailable
from pack_db_testing.reset_service import RESET_SERVICE, ResetService

_FACTORY = "pack_db_testing.reset_factory:ResetFactory"
_PATIENCE_S = 30.0


class ThrowawayDaemon:
    """A daemon in a process of its own, on a database that is removed with it.

    It has none of pack-db's settings of the environment and of `.env`.

    Args:
        service_factory: as the setting SERVICE_FACTORY; empty for none. It finds what the
            tests can import.

    Raises:
        RuntimeError: it does not start; the message has its log.
    """

    def __init__(self, service_factory: str = "") -> None:
        # pytest's own directories have paths that are too long for a socket.
        self._directory = tempfile.TemporaryDirectory(prefix="pack-db-")
        directory = Path(self._directory.name)
        self.socket_path = directory / "socket"
        self._log_path = directory / "log"
        self._environment = os.environ | dict.fromkeys(ConfigKeys, "")
        self._environment |= {
            ConfigKeys.DB_PATH: str(directory / "pack.db"),
            ConfigKeys.DB_SYNCHRONOUS: "NORMAL",
            ConfigKeys.ZMQ_SOCKET_PATH: str(self.socket_path),
            ConfigKeys.SERVICE_FACTORY: ",".join(filter(None, (service_factory, _FACTORY))),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log_path.read_text() if self._log_path.exists() else ""

    def start(self) -> None:
        """Start it, and wait until it can be called."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pack_db_daemon", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + _PATIENCE_S
        while why_unavailable(self.socket_path) is not None:
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise RuntimeError(f"the daemon of the tests does not start:\n{self.log}")
            time.sleep(0.002)

    def stop(self) -> None:
        """End it; its database stays until the end of the tests."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def make_ready(self) -> None:
        """Start it if it does not run, and bring its database back to what migrations made."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        with PackDb(self.socket_path) as db:
            db.service(RESET_SERVICE, ResetService).reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._directory.cleanup()
