"""What the harness has to know of a peer."""

import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import accounts
from benchmarks.account_ids import AccountIds
from benchmarks.clients import Client
from benchmarks.load import Load
from benchmarks.workload import Durability, Operation

START_PATIENCE_S = 30.0

Way = Callable[[Load], None]


class Adapter(ABC):
    """One peer at one durability, with files in a directory of its own.

    A peer's libraries are imported inside its methods, so that the others run without them.

    Args:
        directory: empty; the directory above it lasts for the whole run and is for templates.
    """

    name: ClassVar[str]  # for --peers
    title: ClassVar[str]  # for the tables
    packages: ClassVar[Sequence[str]] = ()  # distributions that it needs
    program: ClassVar[str | None] = None  # an executable that it needs
    operations: ClassVar[Sequence[Operation]] = tuple(Operation)
    durabilities: ClassVar[Sequence[Durability]] = tuple(Durability)
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, directory: Path, durability: Durability) -> None:
        self.directory = directory
        self.durability = durability
        self.database_path = directory / "accounts.db"
        self.socket_path = directory / "s"

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

    def prepare(self) -> None:  # noqa: B027  # a peer may have nothing to prepare
        """Make what the server starts from."""

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

    def account_ids(self) -> AccountIds:
        return accounts.account_ids()

    @abstractmethod
    def client(self) -> Client: ...

    def ways(self) -> Mapping[str, Way]:
        """Ways to keep many calls in flight from one process, by name."""
        return {}


def wait_for(
    server: "subprocess.Popen[bytes]",
    attempt: Callable[[], None],
    failure: type[Exception],
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
