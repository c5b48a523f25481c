import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import Scheduling

from pack_db.config import Config
from pack_db.impls.service_factory import ServiceFactory
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.postgres_server import PostgresServer, running_postgres
from tests.support.scheduling import FilesTogether, is_long

_TESTS = Path(__file__).parent

# What a shell starts in the background ignores Ctrl-C, and so would all programs under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine makes up data says nothing of what is tested with it.
settings.register_profile("pack-db", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("pack-db")


# Folders and files, by how their paths begin.
SLOW = (
    *("chaos", "cli", "congestion", "daemon_life", "exactly_once", "faults", "fuzz", "node"),
    *("operations", "own_services", "postgres", "releases", "systemd"),
    *("contract/test_model.py", "docs/test_pages.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # A PostgreSQL takes seconds to start; a test that is run on each engine has its name.
        path = str(item.path.relative_to(_TESTS))
        if path.startswith(SLOW) or "postgres" in item.name:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not is_long(item.nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    config.option.loadscopereorder = False
    return FilesTogether(config, log)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name; pytest's own are too long."""
    path = Path(tempfile.mkdtemp(prefix="pack-db-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config({"DB_PATH": str(tmp_path / "pack.db")})


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceFactory]:
    """The service core in this process, on a database of its own."""
    monkeypatch.chdir(tmp_path)  # no .env of the checkout is read
    monkeypatch.setenv("DB_PATH", str(tmp_path / "pack.db"))
    factory = ServiceFactory.get_instance()
    factory.get_database_connection().run_migrations()
    yield factory
    ServiceFactory.reset()


@pytest.fixture
def daemon(short_path: Path) -> Iterator[DaemonProcess]:
    """A running daemon on a database of its own."""
    daemon = DaemonProcess(short_path)
    daemon.start()
    yield daemon
    daemon.clean_up()


@pytest.fixture
def db(daemon: DaemonProcess) -> Iterator[PackDb]:
    """A client of `daemon`."""
    with daemon.client() as client:
        yield client


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """A server for all who only need a database of their own on it, and leave it alone."""
    with running_postgres() as server:
        yield server
