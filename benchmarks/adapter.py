"""What the harness has to know of a peer."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import accounts, child_processes
from benchmarks.account_store import AccountStore, fresh_database
from benchmarks.clients import AsyncClient, Client
from benchmarks.in_flight import InFlight, coroutines, threads
from benchmarks.workload import Load, Operation

START_PATIENCE_S = 30.0


class Adapter(ABC):
    """One peer, with files in a directory of its own.

    A peer's libraries are imported inside its methods, so that the others run without them.

    Args:
        directory: empty; the directory above it lasts for the whole run and is for templates.
    """

    name: ClassVar[str]  # for --peers
    title: ClassVar[str]  # for the tables
    packages: ClassVar[Sequence[str]] = ()  # distributions that it needs
    program: ClassVar[str | None] = None  # an executable that it needs
    operations: ClassVar[Sequence[Operation]] = tuple(Operation)
    loads: ClassVar[Sequence[Load]] = tuple(load for load in Load if load is not Load.BATCHES)
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database_path = directory / "accounts.db"
        self.socket_path = directory / "s"
        self.log_path = directory / "log"

    @classmethod
    def executable(cls) -> str | None:
        return shutil.which(cls.program) if cls.program else None

    @classmethod
    def is_available(cls) -> bool:
        try:
            for package in cls.packages:
                metadata.version(package)
        except metadata.PackageNotFoundError:
            return False
        return cls.program is None or cls.executable() is not None

    @classmethod
    def versions(cls) -> dict[str, str]:
        found = {package: metadata.version(package) for package in cls.packages}
        if cls.program and (path := cls.executable()):
            asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
            found[cls.program] = asked.stdout.strip()
        return found

    @contextmanager
    def served(self) -> Iterator[list[int]]:
        """Serve fresh data for as long as the block lasts; yields the servers' process ids."""
        self.prepare()
        command = self.command()
        if command is None:
            yield []
            return
        with self.log_path.open("ab") as log:
            server = child_processes.start(command, log, self.popen_options())
        try:
            self.wait_until_ready(server)
            yield [server.pid]
        finally:
            child_processes.stop(server, self.stop_signal)

    def prepare(self) -> None:
        """Make what the server starts from."""
        fresh_database(self.database_path)

    def command(self) -> list[str] | None:
        """The server's; None where there is no server."""
        return None

    def popen_options(self) -> dict[str, Any]:
        return {}

    def wait_until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        """Until the server listens and has all accounts."""

        def connect() -> None:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket_path))

        wait_for(server, connect, OSError)

    def account_ids(self) -> Sequence[str]:
        return accounts.account_ids()

    @abstractmethod
    def client(self) -> Client: ...

    async def async_client(self) -> AsyncClient:
        raise NotImplementedError

    def keep_in_flight(self, calls: InFlight) -> None:
        """From one process: by coroutines if the peer has them, else by threads."""
        if type(self).async_client is Adapter.async_client:
            threads(self.client, calls)
        else:
            coroutines(self.async_client, calls)


class PythonServer(Adapter):
    """A peer whose server is `serve`, in a process of its own."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "benchmarks.serve", self.name, str(self.directory)]

    def store(self) -> AccountStore:
        return AccountStore(self.database_path)

    @abstractmethod
    def serve(self) -> None:
        """Listen at `socket_path` and answer for ever."""


def wait_for(
    server: "subprocess.Popen[bytes]", attempt: Callable[[], None], failure: type[Exception]
) -> None:
    """Try until `attempt` no longer raises `failure`."""
    give_up = time.monotonic() + START_PATIENCE_S
    while True:
        try:
            attempt()
            return
        except failure:
            if server.poll() is not None:
                raise RuntimeError(f"the server ended with {server.returncode}") from None
            if time.monotonic() > give_up:
                raise
            time.sleep(0.03)
