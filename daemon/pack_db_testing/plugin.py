"""The plugin for pytest. Every run of it loads this, so it imports nothing until it is used."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pack_db_client import PackDb
    from pack_db_testing.in_process import InProcess
    from pack_db_testing.throwaway_daemon import ThrowawayDaemon


@pytest.fixture(scope="session")
def pack_db_service_factory() -> str:
    """SERVICE_FACTORY of the daemon, and of what is in process; empty for none.

    As the environment and `.env` have it; define a fixture of this name to say it otherwise.
    """
    from pack_db import Config

    return Config().service_factory or ""


@pytest.fixture(scope="session")
def pack_db_daemon(pack_db_service_factory: str) -> "Iterator[ThrowawayDaemon]":
    """A daemon on a database of its own, for all tests of this process."""
    from pack_db_testing.throwaway_daemon import ThrowawayDaemon

    with ThrowawayDaemon(pack_db_service_factory) as daemon:
        yield daemon


@pytest.fixture
def pack_db(
    pack_db_daemon: "ThrowawayDaemon", monkeypatch: pytest.MonkeyPatch
) -> "Iterator[PackDb]":
    """A client of a daemon whose database has what its migrations put there, and nothing else.

    Until the test ends, every client that is told of no socket calls this daemon.
    """
    from pack_db_client import PackDb

    pack_db_daemon.make_ready()
    monkeypatch.setenv("ZMQ_SOCKET_PATH", str(pack_db_daemon.socket_path))
    with PackDb(pack_db_daemon.socket_path) as db:
        yield db


@pytest.fixture
def pack_db_in_process(pack_db_service_factory: str, tmp_path: Path) -> "Iterator[InProcess]":
    """The same services in this process, without a daemon, on a database of the test's own."""
    from pack_db_testing.in_process import InProcess

    with InProcess(tmp_path / "pack.db", pack_db_service_factory) as services:
        yield services
