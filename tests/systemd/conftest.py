import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.requirement import cannot_run
from tests.systemd.installation import PROJECT, VENV, Installation
from tests.systemd.machine import CannotBoot, Machine


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    try:
        return Installation(tmp_path_factory.mktemp("installation"))
    except CannotBoot as exc:
        cannot_run(str(exc))
    except (FileNotFoundError, subprocess.CalledProcessError) as exc:
        cannot_run(f"pack-db cannot be installed for the machine's own Python: {exc}")


@pytest.fixture
def machine(installation: Installation, tmp_path: Path) -> Iterator[Machine]:
    """A booted machine with pack-db installed and its socket listening; nothing called it yet."""
    venv = tmp_path / "venv"
    shutil.copytree(installation.venv, venv, symlinks=True)
    machine = Machine(tmp_path, {venv: VENV})
    try:
        units = machine.path("/etc/systemd/system")
        for unit in ("pack-db.socket", "pack-db.service"):
            shutil.copy(PROJECT / "systemd" / unit, units)
        sysusers = machine.path("/etc/sysusers.d")
        sysusers.mkdir(exist_ok=True)
        shutil.copy(PROJECT / "systemd/sysusers.d/pack-db.conf", sysusers)
        machine.run("systemd-sysusers")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", "pack-db.socket")
        yield machine
        # Shown with a test that failed.
        print(machine.run("journalctl", "--no-pager", "--lines=100"))
    finally:
        machine.close()
