import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.own_services.installation import ROOT, install
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.wire.raw_client import RawClient

PackDbCommand = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="package")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with pack-db and the notes of `examples/`."""
    return install(tmp_path_factory.mktemp("stranger"), ROOT / "examples" / "notes")


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
def notes_daemon(python: Path, request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    settings = {"SERVICE_FACTORY": "notes.factory:NotesFactory"}
    if request.param == "postgres":
        settings["DB_URL"] = request.getfixturevalue("shared_postgres").new_database()
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory:
        daemon = DaemonProcess(
            Path(directory),
            settings,
            [str(python), "-m", "pack_db_daemon", "serve"],
        )
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.clean_up()


@pytest.fixture
def raw(notes_daemon: DaemonProcess) -> Iterator[RawClient]:
    with RawClient(notes_daemon.socket_path) as client:
        yield client


@pytest.fixture
def pack_db(python: Path, notes_daemon: DaemonProcess) -> PackDbCommand:
    """Runs `pack-db` in the stranger's environment, with the daemon's settings."""

    def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [python.with_name("pack-db"), *arguments],
            env=notes_daemon.environment | settings,
            cwd=notes_daemon.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    return run
