import shutil
import subprocess
from pathlib import Path

from tests.systemd.machine import Machine

PROJECT = Path(__file__).parents[2]
VENV = "/opt/pack-db"
_WHEELS = "/opt/wheels"
# The machine's own: one below /root or /home is out of reach for the service.
_PYTHON = "/usr/bin/python3"


class Installation:
    """pack-db's wheel and all it needs, installed as docs/systemd.md says, to be bound at VENV.

    Args:
        directory: where to make it.
    """

    def __init__(self, directory: Path) -> None:
        self.venv = directory / "venv"
        self.venv.mkdir(mode=0o755)  # the service runs as another user
        wheels = directory / "wheels"
        builder = directory / "builder"
        subprocess.run([_PYTHON, "-m", "venv", builder], check=True)
        self._pip = builder / "bin/pip"
        self._wheel(PROJECT, wheels)
        # Made in its final place, which is what the scripts of an environment name.
        machine = Machine(directory, {self.venv: VENV, wheels: _WHEELS})
        try:
            machine.run(_PYTHON, "-m", "venv", VENV)
            install = (f"{VENV}/bin/pip", "install", "--quiet", "--no-index", f"-f{_WHEELS}")
            machine.run(*install, "pack-db")
        finally:
            machine.close()

    def wheel_of_version(self, version: str, directory: Path) -> Path:
        """This very code as another version."""
        source = directory / "source"
        source.mkdir()
        for name in ("pack_db", "client", "daemon"):
            shutil.copytree(PROJECT / name, source / name)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(PROJECT / name, source)
        (source / "pack_db/__init__.py").write_text(f'__version__ = "{version}"\n')
        self._wheel(source, directory, "--no-deps")
        [wheel] = directory.glob("pack_db-*.whl")
        return wheel

    def _wheel(self, source: Path, target: Path, *options: str) -> None:
        subprocess.run([self._pip, "wheel", "--quiet", *options, "-w", target, source], check=True)
