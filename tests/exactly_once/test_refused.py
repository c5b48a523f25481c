"""A daemon that has no room for another connection accepts it and closes it at once."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack_db_client import AsyncPackDb, PackDb, Unavailable
from tests.exactly_once.fake_daemon import fake_daemon
from tests.exactly_once.timing import ends_within


class FullDaemon:
    def __init__(self, path: Path) -> None:
        self.refused = 0
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._refuse_all)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _refuse_all(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.refused += 1
            connection.close()


@pytest.fixture
def full_daemon(short_path: Path) -> Iterator[FullDaemon]:
    daemon = FullDaemon(short_path / "s")
    yield daemon
    daemon.close()


def test_a_client_that_is_refused_is_told_so_and_comes_back_more_and_more_rarely(
    full_daemon: FullDaemon, short_path: Path
) -> None:
    with PackDb(short_path / "s", timeout_s=2) as client:
        for _ in range(2):
            before = full_daemon.refused
            with ends_within(2), pytest.raises(Unavailable, match="closes new connections"):
                client.ping()
            assert 2 <= full_daemon.refused - before <= 50  # without pauses it is about 130

        refused = full_daemon.refused
        threading.Event().wait(0.5)
        assert full_daemon.refused <= refused + 5  # who calls nothing leaves it alone


def test_an_asyncio_client_that_is_refused_is_told_so(
    full_daemon: FullDaemon, short_path: Path
) -> None:
    async def work() -> None:
        async with AsyncPackDb(short_path / "s", timeout_s=1) as client:
            calls = [client.ping() for _ in range(3)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3

    with ends_within(1):
        asyncio.run(work())
    assert full_daemon.refused <= 40


def test_a_client_that_was_refused_is_served_as_soon_as_there_is_room(short_path: Path) -> None:
    full = FullDaemon(short_path / "s")
    with PackDb(short_path / "s", timeout_s=20) as client:
        with pytest.raises(Unavailable):
            client.with_timeout(0.5).ping()
        full.close()
        (short_path / "s").unlink()
        with fake_daemon(short_path / "s"):
            assert client.ping() == "pong"
