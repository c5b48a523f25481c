import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Build = Callable[[Path, str], Path]


@pytest.fixture(scope="package")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Make a "wheel" or an "sdist" from a source tree."""

    def build_from(tree: Path, target: str) -> Path:
        directory = tmp_path_factory.mktemp(target)
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", directory],
            cwd=tree,
            check=True,
            capture_output=True,
        )
        [made] = directory.iterdir()
        return made

    return build_from


@pytest.fixture(scope="package")
def wheel(build: Build) -> Path:
    return build(ROOT, "wheel")


@pytest.fixture(scope="package")
def sdist(build: Build) -> Path:
    return build(ROOT, "sdist")
