"""What a daemon leaves undone, as one message may not hold up everybody, is sent in another."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from pack_db.errors import NotStarted
from pack_db.interfaces.query import query
from pack_db_client import AsyncPackDb, CallTimeout, PackDb
from pack_db_client.protocol.replies import encode_error, encode_reply, encode_value
from pack_db_client.protocol.requests import Request
from tests.exactly_once.fake_daemon import fake_daemon

_AT_ONCE = 3


class Echo(ABC):
    @abstractmethod
    @query
    def echo(self, number: int) -> int: ...


class AsyncEcho(ABC):
    @abstractmethod
    @query
    async def echo(self, number: int) -> int: ...


def answer_a_few(request: Request) -> bytes:
    """Each call with its argument; of a message the first calls only."""
    numbers = [
        call.arguments[0] for call in request.calls if call and isinstance(call.arguments, list)
    ]
    done = [encode_value(number) for number in numbers[:_AT_ONCE]]
    left = [encode_error(NotStarted("later"))] * (len(request.calls) - len(done))
    return encode_reply(request.sequence, [*done, *left], 0)


def answer_a_few_once(request: Request) -> bytes | None:
    return answer_a_few(request) if request.sequence == 1 else None


def test_a_batch_goes_on_in_further_messages(short_path: Path) -> None:
    with fake_daemon(short_path / "s", answer_a_few) as daemon, PackDb(short_path / "s") as client:
        echo = client.service("echo", Echo)
        with client.batch() as batch:
            results = [batch.submit(echo.echo, n) for n in range(10)]

        assert [result.result() for result in results] == list(range(10))
        assert [len(request.calls) for request in daemon.requests] == [10, 7, 4, 1]
        assert [request.sequence for request in daemon.requests] == [1, 2, 3, 4]


def test_a_batch_that_ends_half_way_has_the_results_of_the_first_half(short_path: Path) -> None:
    with (
        fake_daemon(short_path / "s", answer_a_few_once),
        PackDb(short_path / "s", timeout_s=0.5) as client,
    ):
        echo = client.service("echo", Echo)
        batch = client.batch()
        with pytest.raises(CallTimeout), batch:
            results = [batch.submit(echo.echo, n) for n in range(5)]

        assert [result.result() for result in results[:_AT_ONCE]] == [0, 1, 2]
        for result in results[_AT_ONCE:]:
            with pytest.raises(CallTimeout):
                result.result()


def test_asyncio_calls_go_on_in_further_messages(short_path: Path) -> None:
    async def work() -> list[int]:
        async with AsyncPackDb(short_path / "s") as client:
            echo = client.service("echo", AsyncEcho)
            return await asyncio.gather(*(echo.echo(n) for n in range(10)))

    with fake_daemon(short_path / "s", answer_a_few) as daemon:
        assert asyncio.run(work()) == list(range(10))
        assert [len(request.calls) for request in daemon.requests] == [10, 7, 4, 1]
