import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.requirement import cannot_run

EXAMPLE = Path(__file__).parents[2] / "examples" / "node"
_INSTALL = ["npm", "install", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"]


@pytest.fixture(scope="package")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example with its packages installed."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            cannot_run(f"{program} is not installed")
    directory = tmp_path_factory.mktemp("node") / "project"
    shutil.copytree(EXAMPLE, directory, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        _INSTALL, cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        cannot_run(f"npm cannot install the packages of the example: {done.stderr}")
    return directory
