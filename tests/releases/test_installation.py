import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pack_db
from pack_db_client import CreateAccountInput
from tests.support.daemon_process import DaemonProcess

_MAKE_VENV = "import sys, venv; venv.create(sys.argv[1], with_pip=True)"
_INSTALL_S = 300


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path
) -> Path:
    """The directory of programs of an environment with pack-db and what it asks for only."""
    name = f"python{request.param}"
    python = shutil.which(name)
    directory = tmp_path_factory.mktemp("installed")
    # A shim may be there and still not run.
    if python is None or subprocess.run([python, "--version"], capture_output=True).returncode:
        pytest.skip(f"{name} is not installed")
    subprocess.run([python, "-c", _MAKE_VENV, directory], check=True, timeout=_INSTALL_S)
    done = subprocess.run(
        [directory / "bin" / "pip", "install", "--quiet", wheel],
        capture_output=True,
        text=True,
        timeout=_INSTALL_S,
    )
    assert done.returncode == 0, done.stderr
    return directory / "bin"


@pytest.fixture
def installed_daemon(environment: Path, short_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(short_path, command=[str(environment / "pack-db"), "serve"])
    daemon.start()
    yield daemon
    daemon.clean_up()


def test_it_asks_for_all_it_needs(environment: Path) -> None:
    subprocess.run([environment / "pip", "check"], check=True, stdout=subprocess.DEVNULL)
    version = subprocess.run(
        [environment / "pack-db", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.split() == ["pack-db", pack_db.__version__]


def test_its_daemon_and_its_command_line_work(
    environment: Path, installed_daemon: DaemonProcess, tmp_path: Path
) -> None:
    with installed_daemon.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="ada@example.com"))
    shown = subprocess.run(
        [environment / "pack-db", "accounts", "get", "ada@example.com"],
        env=os.environ | installed_daemon.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert account.id in shown.stdout, shown.stderr
