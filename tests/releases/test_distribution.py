import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput
from tests.support.daemon_process import DaemonProcess
from tests.support.services import existing

ROOT = Path(__file__).parents[2]
PACKAGES = ("pack_db", "pack_db_client", "pack_db_daemon", "pack_db_testing")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    [wheel] = directory.glob("*.whl")
    return wheel


@pytest.fixture
def daemon_from_wheel(wheel: Path, short_path: Path) -> Iterator[DaemonProcess]:
    site = short_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    daemon = DaemonProcess(short_path, {"PYTHONPATH": str(site)})
    daemon.start()
    yield daemon
    daemon.clean_up()


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    migrations = {path.name for path in (ROOT / "pack_db/impls/migrations").glob("*.py")}
    assert {f"pack_db/impls/migrations/{name}" for name in migrations} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_a_daemon_runs_from_the_wheel_alone(daemon_from_wheel: DaemonProcess) -> None:
    where = subprocess.run(
        [sys.executable, "-c", "import pack_db_daemon; print(pack_db_daemon.__file__)"],
        env=daemon_from_wheel.environment,
        cwd=daemon_from_wheel.directory,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert where.startswith(str(daemon_from_wheel.directory))
    with daemon_from_wheel.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="ada@example.com"))
        assert existing(db.accounts.get_account(account.id)).email == "ada@example.com"
