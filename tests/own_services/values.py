"""A service `values` that gives back what it is given, by type, and an error that holds some."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, cast
from uuid import UUID

from typing_extensions import TypedDict

from pack_db import PackDbError, ServiceFactory, query


class State(Enum):
    WAITING = "waiting"
    DONE = "done"


class Priority(Enum):
    LOW = 1
    HIGH = 2


class Label(TypedDict):
    text: str
    since: date


@dataclass(frozen=True)
class Line:
    article: UUID
    price: Decimal
    due: date | None = None


@dataclass(frozen=True)
class Order:
    id: UUID
    at: datetime
    state: State
    lines: list[Line]
    by_day: dict[str, Decimal]
    label: Label
    kind: Literal["sale", 2] = "sale"
    priority: Priority | None = None
    shipped: tuple[datetime, ...] = ()


class Refused(PackDbError):
    code = "refused"
    order: Order
    at: datetime
    price: Decimal | None


class Values(ABC):
    @abstractmethod
    @query
    def moment(self, value: datetime) -> datetime: ...

    @abstractmethod
    @query
    def day(self, value: date) -> date: ...

    @abstractmethod
    @query
    def price(self, value: Decimal) -> Decimal: ...

    @abstractmethod
    @query
    def id(self, value: UUID) -> UUID: ...

    @abstractmethod
    @query
    def state(self, value: State) -> State: ...

    @abstractmethod
    @query
    def word(self, value: Literal["sale", 2]) -> Literal["sale", 2]: ...

    @abstractmethod
    @query
    def label(self, value: Label) -> Label: ...

    @abstractmethod
    @query
    def order(self, value: Order) -> Order: ...

    @abstractmethod
    @query
    def orders(self, value: dict[str, list[Order]]) -> dict[str, list[Order]]: ...

    @abstractmethod
    @query
    def maybe(self, value: datetime | int | None = None) -> datetime | int | None: ...

    @abstractmethod
    @query
    def amount(self, value: Decimal | int) -> Decimal | int: ...

    @abstractmethod
    @query
    def any(self, value: Any, at: datetime | None = None) -> Any: ...

    @abstractmethod
    @query
    def refuse(self, order: Order) -> None: ...

    @abstractmethod
    @query
    def text(self, kind: str) -> str: ...


# What a method may not return, by method. `text` is asked for all that is no text.
UTC_NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)
NO_TEXTS: dict[str, Any] = {
    "moment": UTC_NOON,
    "day": date(2027, 1, 31),
    "price": Decimal("1.50"),
    "id": UUID(int=5),
    "state": State.DONE,
}


class LocalValues(Values):
    """Gives back what it is given, whatever that is: in process nobody checks it."""

    def moment(self, value: datetime) -> datetime:
        return value

    def day(self, value: date) -> date:
        return value

    def price(self, value: Decimal) -> Decimal:
        return value

    def id(self, value: UUID) -> UUID:
        return value

    def state(self, value: State) -> State:
        return value

    def word(self, value: Literal["sale", 2]) -> Literal["sale", 2]:
        return value

    def label(self, value: Label) -> Label:
        return value

    def order(self, value: Order) -> Order:
        return value

    def orders(self, value: dict[str, list[Order]]) -> dict[str, list[Order]]:
        return value

    def maybe(self, value: datetime | int | None = None) -> datetime | int | None:
        return value

    def amount(self, value: Decimal | int) -> Decimal | int:
        return value

    def any(self, value: Any, at: datetime | None = None) -> Any:
        return value if at is None else [at]

    def refuse(self, order: Order) -> None:
        raise Refused("no", order=order, at=order.at, price=order.lines[0].price)

    def text(self, kind: str) -> str:
        return cast(str, NO_TEXTS[kind])


class ValuesFactory(ServiceFactory):
    services = ServiceFactory.services | {"values": Values}

    def get_services(self) -> Mapping[str, object]:
        return {**super().get_services(), "values": LocalValues()}
