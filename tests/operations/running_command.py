import subprocess
import time
from pathlib import Path

from tests.support.daemon_process import PATIENCE_S
from tests.support.pack_db_command import PACK_DB, PackDbCommand


class RunningCommand:
    """A `pack-db` that has not ended yet."""

    def __init__(self, command: PackDbCommand, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PACK_DB, *arguments],
            env=command.environment,
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def wait_for_file(self, path: Path, size: int = 0) -> None:
        """Until there is a file of more than `size` bytes at `path`."""
        give_up = time.monotonic() + PATIENCE_S
        while not path.exists() or path.stat().st_size <= size:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < give_up
            time.sleep(0.001)

    def end(self) -> tuple[int, str, str]:
        """Its exit status, and what it printed to stdout and to stderr."""
        stdout, stderr = self.process.communicate(timeout=5 * PATIENCE_S)
        return self.process.returncode, stdout, stderr
