import os
import subprocess
import time
from pathlib import Path

from pack_db_client import PackDb
from tests.support.daemon_process import PATIENCE_S

_BOOT = Path(__file__).with_name("boot")
_CANNOT_BOOT = 77


class CannotBoot(Exception):
    """This machine cannot boot a systemd of its own; the text says why."""


class Machine:
    """A real systemd in namespaces of its own, on a throw-away overlay of this root file system.

    Args:
        directory: for its files on this side.
        binds: directories of this side that it sees, and writes, at other paths.
    """

    def __init__(self, directory: Path, binds: dict[Path, str]) -> None:
        pid_file = directory / "pid"
        options = [f"-b{source}:{target}" for source, target in binds.items()]
        with (directory / "boot.log").open("wb") as log:
            self._boot = subprocess.Popen(
                [_BOOT, "-p", pid_file, *options, "sleep", "infinity"],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + 2 * PATIENCE_S
        while not pid_file.exists() or not pid_file.read_text():
            if self._boot.poll() is not None or time.monotonic() > give_up:
                self.close()
                reason = (directory / "boot.log").read_text()
                if self._boot.returncode == _CANNOT_BOOT:
                    raise CannotBoot(reason.strip().splitlines()[-1])
                raise RuntimeError(reason)
            time.sleep(0.01)
        self._pid = int(pid_file.read_text())

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command as root; returns its output, of both streams."""
        done = subprocess.run(
            ["nsenter", "--all", f"--target={self._pid}", "--", *command],
            cwd="/",
            env={"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3 * PATIENCE_S,
        )
        if check and done.returncode:
            raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def property(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def path(self, path: str) -> Path:
        """Where a path of the machine is on this side."""
        return Path(f"/proc/{self._pid}/root{path}")

    def client(self) -> PackDb:
        return PackDb(self.path("/run/pack-db.sock"), timeout_s=PATIENCE_S)

    def close(self) -> None:
        self._boot.terminate()
        self._boot.wait(PATIENCE_S)
