"""What a service does wrong is its own call's failure, and an error arrives as what it is."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pack_db_client import AsyncPackDb, CreateAccountInput, InternalError, PackDb, PackDbError
from tests.own_services.odd import (
    NOT_CARRIED,
    OTHER_TYPES,
    RIGHT,
    AsyncOdd,
    ItemNotFound,
    Odd,
    RareItemNotFound,
    Sold,
)
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.support.services import existing

ROOT = Path(__file__).parents[2]
Call = Callable[..., Any]


@pytest.fixture(scope="module", params=["1", "8"], ids=["one_by_one", "together"])
def odd_daemon(request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    settings = {
        "PYTHONPATH": str(ROOT),
        "SERVICE_FACTORY": "tests.own_services.odd:OddFactory",
        "WORKERS": request.param,
    }
    with running_daemon(settings) as daemon:
        yield daemon


@pytest.fixture
def db(odd_daemon: DaemonProcess) -> Iterator[PackDb]:
    with odd_daemon.client() as client:
        yield client


@pytest.fixture(params=["client", "async_client"])
def call(request: pytest.FixtureRequest, odd_daemon: DaemonProcess, db: PackDb) -> Call:
    """Calls a method of the service by its name."""
    if request.param == "client":
        odd = db.service("odd", Odd)
        return lambda name, *args: getattr(odd, name)(*args)

    async def call_once(name: str, *args: Any) -> Any:
        async with AsyncPackDb(odd_daemon.socket_path, timeout_s=PATIENCE_S) as async_db:
            return await getattr(async_db.service("odd", AsyncOdd), name)(*args)

    return lambda name, *args: asyncio.run(call_once(name, *args))


@pytest.fixture(autouse=True)
def nothing_is_half_done(db: PackDb) -> Iterator[None]:
    yield
    assert db.accounts.get_account_by_email("half@example.com") is None


def test_an_error_with_a_constructor_of_its_own_arrives_as_what_it_is(call: Call) -> None:
    with pytest.raises(ItemNotFound, match="no item 5") as caught:
        call("missing", 5)
    assert (type(caught.value), caught.value.item_id) == (ItemNotFound, 5)
    with pytest.raises(RareItemNotFound) as rare:
        call("missing", 5, 100)
    assert (rare.value.item_id, rare.value.years) == (5, 100)


@pytest.mark.parametrize("kind", NOT_CARRIED)
def test_details_that_cannot_travel_arrive_as_what_can(call: Call, kind: str) -> None:
    with pytest.raises(Sold, match="it was sold") as caught:
        call("details", kind)
    assert caught.value.details["number"] == 1
    arrived = caught.value.details["at"]
    assert (
        arrived
        == {
            "uuid": str(NOT_CARRIED["uuid"]),
            "decimal": "1.5",
            "datetime": "2020-01-01T00:00:00Z",
            "set": [1],
            "surrogate": r"\udcff",
            "number": str(2**70),
            "object": str(object),
            "map": {"1": str(NOT_CARRIED["uuid"])},
            "deep": [[[str(NOT_CARRIED["uuid"])]]],
        }[kind]
    )


def test_a_text_that_cannot_travel_arrives_as_what_can(call: Call) -> None:
    with pytest.raises(Sold, match=re.escape(r"sold: \udcff")):
        call("details", "text")


@pytest.mark.parametrize(
    "kind",
    [
        *("exit", "cancelled", "keyboard", "generator", "panic", "defect"),
        *("unprintable", "unprintable defect"),
    ],
)
def test_whatever_is_raised_fails_its_own_call_and_is_logged_whole(
    odd_daemon: DaemonProcess, call: Call, kind: str
) -> None:
    pid = odd_daemon.pid
    with pytest.raises(InternalError, match=r"odd\.raise_one failed") as caught:
        call("raise_one", kind)
    assert "nobody's business" not in str(caught.value)
    assert re.fullmatch("[0-9a-f]{8}", caught.value.id)
    assert caught.value.id in str(caught.value)
    assert odd_daemon.pid == pid


def test_an_internal_error_has_the_id_of_its_traceback_in_the_log(short_path: Path) -> None:
    daemon = DaemonProcess(
        short_path,
        {"PYTHONPATH": str(ROOT), "SERVICE_FACTORY": "tests.own_services.odd:OddFactory"},
    )
    daemon.start()
    try:
        with daemon.client() as db:
            with pytest.raises(InternalError) as caught:
                db.service("odd", Odd).raise_one("exit")
            assert db.ping()
        line = f"odd.raise_one failed (id {caught.value.id})\nTraceback (most recent call last):\n"
        assert line in daemon.log
        assert "SystemExit: usage: wrong" in daemon.log
    finally:
        daemon.clean_up()


@pytest.mark.parametrize(
    ("method", "kind"), [(method, kind) for method in OTHER_TYPES for kind in OTHER_TYPES[method]]
)
def test_a_result_of_another_type_than_promised_undoes_its_call(
    db: PackDb, method: str, kind: str
) -> None:
    odd = db.service("odd", Odd)
    for number, _ in enumerate(RIGHT[method]):
        getattr(odd, method)(str(number))
    for _ in range(2):  # neither what was right nor what was seen before lets it pass
        with pytest.raises(InternalError, match=rf"odd\.{method} returned something else than"):
            getattr(odd, method)(kind)


@pytest.mark.parametrize("method", RIGHT)
def test_a_result_of_the_promised_type_arrives(db: PackDb, method: str) -> None:
    for _ in range(2):
        for number, expected in enumerate(RIGHT[method]):
            returned = getattr(db.service("odd", Odd), method)(str(number))
            assert (returned, type(returned)) == (expected, type(expected))


def test_the_other_calls_of_the_message_stand(odd_daemon: DaemonProcess, db: PackDb) -> None:
    odd = db.service("odd", Odd)
    for number, (method, kind) in enumerate(
        [(odd.details, "uuid"), (odd.raise_one, "exit"), (odd.item, "decimal")]
    ):
        with db.batch() as batch:
            first = batch.submit(
                db.accounts.create_account, CreateAccountInput(email=f"{number}@example.com")
            )
            own = batch.submit(method, kind)
            last = batch.submit(db.accounts.get_account_by_email, f"{number}@example.com")
        assert first.result().id == existing(last.result()).id
        with pytest.raises(PackDbError):
            own.result()
        db.accounts.delete_account(first.result().id)

    async def calls_of_many_tasks() -> list[Any]:
        async with AsyncPackDb(odd_daemon.socket_path, timeout_s=PATIENCE_S) as async_db:
            await async_db.ping()
            odd = async_db.service("odd", AsyncOdd)
            return await asyncio.gather(
                *(async_db.ping() for _ in range(8)),
                async_db.accounts.get_account_by_email({1: 2}),  # type: ignore[arg-type]
                async_db.accounts.get_account_by_email([0] * 4097),  # type: ignore[arg-type]
                odd.details("uuid"),
                odd.raise_one("exit"),
                odd.item("decimal"),
                return_exceptions=True,
            )

    *good, _, _, sold, left, other = asyncio.run(calls_of_many_tasks())
    assert {type(answer) for answer in good[:8]} == {str}
    assert [type(e) for e in (sold, left, other)] == [Sold, InternalError, InternalError]
