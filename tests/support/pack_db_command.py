import json
import subprocess
import sys
from typing import Any

from tests.support.daemon_process import PATIENCE_S, DaemonProcess

COMMAND_ENDS_S = 6 * PATIENCE_S
"""Whatever it does with the largest database of the tests, on a machine that is busy besides."""

PACK_DB = [sys.executable, "-m", "pack_db_daemon"]


class PackDbCommand:
    """Runs `pack-db` as a user of `daemon` does, in a process of its own."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.environment = daemon.environment
        self.directory = daemon.directory

    def run(
        self, *arguments: str, stdin: str = "", **settings: str
    ) -> "subprocess.CompletedProcess[str]":
        """
        Args:
            settings: environment over the daemon's.
        """
        return subprocess.run(
            [*PACK_DB, *arguments],
            env=self.environment | settings,
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=COMMAND_ENDS_S,
        )

    def text(self, *arguments: str) -> str:
        """What a command printed that has to succeed."""
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments))
