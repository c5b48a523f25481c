"""What a program gets of a service equals what the service returned, and is of the same type."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pack_db.errors import InternalError, InvalidInput
from pack_db_client import AsyncPackDb, PackDb
from pack_db_client.protocol.methods import methods_of
from pack_db_daemon.dispatch.promised_result import PromisedResult
from tests.own_services.values import (
    NO_TEXTS,
    UTC_NOON,
    Label,
    Line,
    Order,
    Priority,
    Refused,
    State,
    Values,
)
from tests.support.daemon_process import DaemonProcess
from tests.support.running_daemon import running_daemon

ROOT = Path(__file__).parents[2]
METHODS = {method.function_name: method for method in methods_of("values", Values)}
LONDON_BEFORE_1847 = timezone(-timedelta(minutes=1, seconds=15))
ORDER = Order(
    id=UUID(int=7),
    at=UTC_NOON,
    state=State.DONE,
    lines=[Line(UUID(int=8), Decimal("0.10")), Line(UUID(int=9), Decimal(-3), date(2027, 2, 1))],
    by_day={"monday": Decimal("1E+3")},
    label=Label(text="gift", since=date(1999, 12, 31)),
    priority=Priority.HIGH,
    shipped=(UTC_NOON,),
)

fuzz = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(timezones=st.one_of(st.just(UTC), offsets))
decimals = st.decimals(allow_nan=False)
labels = st.builds(Label, text=st.text(max_size=5), since=st.dates())
lines = st.builds(Line, st.uuids(), decimals, st.none() | st.dates())
orders = st.builds(
    Order,
    id=st.uuids(),
    at=moments,
    state=st.sampled_from(State),
    lines=st.lists(lines, max_size=3),
    by_day=st.dictionaries(st.text(max_size=5), decimals, max_size=3),
    label=labels,
    kind=st.sampled_from(["sale", 2]),
    priority=st.none() | st.sampled_from(Priority),
    shipped=st.lists(moments, max_size=2).map(tuple),
)
calls = st.one_of(
    st.tuples(st.just("moment"), moments),
    st.tuples(st.just("day"), st.dates()),
    st.tuples(st.just("price"), decimals),
    st.tuples(st.just("id"), st.uuids()),
    st.tuples(st.just("state"), st.sampled_from(State)),
    st.tuples(st.just("word"), st.sampled_from(["sale", 2])),
    st.tuples(st.just("label"), labels),
    st.tuples(st.just("order"), orders),
    st.tuples(
        st.just("orders"), st.dictionaries(st.text(max_size=3), st.lists(orders, max_size=2))
    ),
    st.tuples(st.just("maybe"), st.none() | moments | st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("amount"), decimals | st.integers(-(2**63), 2**63 - 1)),
)


@pytest.fixture(scope="module")
def values_daemon() -> Iterator[DaemonProcess]:
    factory = "tests.own_services.values:ValuesFactory"
    with running_daemon({"PYTHONPATH": str(ROOT), "SERVICE_FACTORY": factory}) as daemon:
        yield daemon


@pytest.fixture
def db(values_daemon: DaemonProcess) -> Iterator[PackDb]:
    with values_daemon.client() as client:
        yield client


@pytest.fixture
def values(db: PackDb) -> Values:
    return db.service("values", Values)


def shape(value: Any) -> Any:
    """The types of a value and of all in it."""
    match value:
        case list() | tuple():
            return type(value), [*map(shape, value)]
        case dict():
            return type(value), {key: shape(inner) for key, inner in value.items()}
        case Order() | Line():
            return type(value), shape(vars(value))
    return type(value)


@fuzz
@given(calls)
def test_a_value_comes_back_equal_and_of_the_same_type(
    values: Values, call: tuple[str, Any]
) -> None:
    method, value = call
    returned = getattr(values, method)(value)
    assert (returned, shape(returned)) == (value, shape(value))


def test_by_name_in_a_batch_and_with_asyncio_it_is_the_same(
    values_daemon: DaemonProcess, db: PackDb, values: Values
) -> None:
    assert values.order(value=ORDER) == ORDER
    with db.batch() as batch:
        results = [batch.submit(values.order, ORDER), batch.submit(values.order, value=ORDER)]
    assert [result.result() for result in results] == [ORDER, ORDER]

    async def twice() -> list[Order]:
        async with AsyncPackDb(values_daemon.socket_path) as async_db:
            order: Callable[..., Any] = async_db.service("values", Values).order
            return [await order(ORDER), await order(value=ORDER)]

    assert asyncio.run(twice()) == [ORDER, ORDER]


def test_a_zone_arrives_as_its_offset(values: Values) -> None:
    in_berlin = datetime(2027, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    returned = values.moment(in_berlin)
    assert (returned, returned.utcoffset()) == (in_berlin, timedelta(hours=2))


def test_an_error_has_them_as_its_attributes(values: Values) -> None:
    with pytest.raises(Refused, match="no") as caught:
        values.refuse(ORDER)
    error = caught.value
    assert (error.order, error.at, error.price) == (ORDER, ORDER.at, Decimal("0.10"))
    assert shape(error.order) == shape(ORDER)
    assert error.details == {"order": ORDER, "at": ORDER.at, "price": Decimal("0.10")}


def changed(**fields: Any) -> Order:
    return Order(**{**vars(ORDER), **fields})


NAIVE = datetime(2027, 1, 31, 12)  # which is what is wrong with it
WRONG: list[tuple[str, Any, str]] = [
    ("moment", NAIVE, "a datetime without a time zone; give it one"),
    ("moment", NAIVE.replace(tzinfo=LONDON_BEFORE_1847), "offset has seconds; use astimezone"),
    ("moment", date(2027, 1, 31), "date in place of datetime"),
    ("moment", "2027-01-31T12:00:00Z", "str in place of datetime"),
    ("day", UTC_NOON, "datetime in place of date"),
    ("price", 1.5, "float in place of Decimal"),
    ("price", 1, "int in place of Decimal"),
    ("id", str(UUID(int=5)), "str in place of UUID"),
    ("id", b"0123456789abcdef", "bytes in place of UUID"),
    ("state", "done", "str in place of State"),
    ("state", Priority.LOW, "Priority in place of State"),
    ("maybe", NAIVE, "a datetime without a time zone"),
    ("maybe", True, "bool in place of"),
    ("amount", True, "bool in place of"),
    ("amount", 1.5, "float in place of"),
    ("order", Order(**{**vars(ORDER), "shipped": (NAIVE,)}), r"shipped: \[0\]: a datetime without"),
    ("order", Order(**{**vars(ORDER), "lines": {}}), "lines: dict in place of List"),
    (
        "order",
        Order(**{**vars(ORDER), "lines": [None]}),
        r"lines: \[0\]: NoneType in place of Line",
    ),
    ("order", Order(**{**vars(ORDER), "label": {"text": "x"}}), "label: since is missing"),
    ("order", Order(**{**vars(ORDER), "by_day": {1: Decimal(1)}}), "by_day: a key: int in place"),
    ("order", Order(**{**vars(ORDER), "kind": True}), "kind: bool in place of Literal"),
    ("label", {"text": "x", "since": date.today(), "y": 1}, "dict in place of Label"),
    ("any", UUID(int=5), "UUID, which needs a type hint of its own to travel"),
    ("any", [{"a": UTC_NOON}], "datetime, which needs a type hint"),
    ("any", {1, 2}, "set, which needs a type hint"),
]


@pytest.mark.parametrize(("method", "value", "says"), WRONG)
def test_an_argument_of_another_type_is_not_sent(
    values: Values, method: str, value: Any, says: str
) -> None:
    with pytest.raises(InvalidInput, match=rf"^values\.{method}: value: .*{says}"):
        getattr(values, method)(value)


@pytest.mark.parametrize(("method", "value", "says"), WRONG)
def test_a_result_of_another_type_is_refused(method: str, value: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        PromisedResult(METHODS[method].result_type).encode(value)


@pytest.mark.parametrize("kind", NO_TEXTS)
def test_what_travels_as_text_is_no_text(values: Values, kind: str) -> None:
    with pytest.raises(InternalError, match=r"values\.text returned something else"):
        values.text(kind)
    with pytest.raises(InvalidInput, match=rf"values\.text: .*{type(NO_TEXTS[kind]).__name__}"):
        values.text(NO_TEXTS[kind])


def test_any_beside_a_datetime_is_as_strict(values: Values) -> None:
    assert values.any([1, {"a": b"x"}]) == [1, {"a": b"x"}]
    with pytest.raises(InternalError, match=r"values\.any returned something else"):
        values.any(1, UTC_NOON)
