import sys
from abc import abstractmethod

from benchmarks.account_store import AccountStore, fresh_database
from benchmarks.adapter import Adapter


class PythonServer(Adapter):
    """A peer whose server is `serve`, in a process of its own."""

    def prepare(self) -> None:
        fresh_database(self.database_path)

    def command(self) -> list[str]:
        module = "benchmarks.server_process"
        return [sys.executable, "-m", module, self.name, str(self.directory), self.durability]

    def store(self) -> AccountStore:
        return AccountStore(self.database_path, self.durability)

    @abstractmethod
    def serve(self) -> None:
        """Listen at `socket_path` and answer for ever."""
