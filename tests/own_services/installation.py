"""A stranger's package, installed with pack-db into an environment of its own."""

import subprocess
import sys
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]


def install(directory: Path, *packages: Path) -> Path:
    """Install pack-db and `packages` from their wheels; gives the environment's interpreter.

    What they depend on, and mypy, come from the environment of the tests.
    """
    wheels = directory / "wheels"
    for package in (ROOT, *packages):
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels, cwd=package)
    environment = directory / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", environment, "install", "--quiet"]
    run(*pip, "--no-index", "--no-deps", *wheels.iterdir())
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # It comes after the environment's own packages, so pack-db is the one from the wheel.
    (site / "dependencies.pth").write_text(f"{Path(msgspec.__file__).parents[1]}\n")
    return python


def run(*command: object, cwd: Path | None = None, **environment: str) -> str:
    """What a command printed that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment or None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout
