"""A service that does what services should not do, and errors with minds of their own."""

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from pack_db import (
    Account,
    AccountRepo,
    CreateAccountInput,
    NotFound,
    PackDbError,
    ServiceFactory,
    TokenBalance,
)


@dataclass(frozen=True, kw_only=True)
class Item:
    price: float = 1.5
    sold_at: str = "today"
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class OtherItem:
    price: float = 1.5
    sold_at: str = "today"


@dataclass(frozen=True, kw_only=True)
class Order:
    items: list[Item]


class ItemNotFound(NotFound):
    code = "item_not_found"
    item_id: int

    def __init__(self, item_id: int) -> None:
        super().__init__(f"no item {item_id}", item_id=item_id)


class RareItemNotFound(ItemNotFound):
    code = "rare_item_not_found"
    years: int

    def __init__(self, item_id: int, years: int) -> None:
        super().__init__(item_id)
        self.years = years


class Sold(PackDbError):
    code = "sold"


class Unprintable(PackDbError):
    code = "unprintable"

    def __str__(self) -> str:
        raise RuntimeError("there are no words for it")


class PanicException(BaseException):
    """What a library in Rust raises: see PyO3."""


class UnprintableDefect(Exception):
    def __str__(self) -> str:
        raise RuntimeError("there are no words for it")


NOT_CARRIED: dict[str, Any] = {
    "uuid": UUID(int=5),
    "decimal": Decimal("1.5"),
    "datetime": datetime(2020, 1, 1, tzinfo=UTC),
    "set": {1},
    "surrogate": "\udcff",
    "number": 2**70,
    "object": object,
    "map": {1: UUID(int=5)},
    "deep": [[[UUID(int=5)]]],
}
OTHER_TYPES: dict[str, Any] = {
    "item": {
        "decimal": Item(price=cast(float, Decimal("1.5"))),
        "datetime": Item(sold_at=cast(str, datetime(2020, 1, 1, tzinfo=UTC))),
        "uuid": Item(note=cast(str, UUID(int=5))),
        "none": None,
        "another": OtherItem(),
        "map": {"price": 1.5, "sold_at": "today"},
        "entity": TokenBalance(account_id="x", token_remaining=1, topup_remaining=1),
        "surrogate": Item(note="\udcff"),
        "text": "text",
    },
    "items": {
        "none": None,
        "one": Item(),
        "among": [Item(), OtherItem()],
        "nothing among": [Item(), None],
        "decimal among": [Item(), Item(price=cast(float, Decimal("1.5")))],
    },
    "order": {"decimal inside": Order(items=[Item(price=cast(float, Decimal("1.5")))])},
    "number": {
        "text": "1",
        "flag": True,
        "fraction": 1.5,
        "large": 2**64,
        "none": None,
        "decimal": Decimal(1),
    },
    "nothing": {"number": 1},
    "data": {"text": "aGk=", "none": None},
    "names": {"set": {"a"}, "text": "ab", "map": {"a": 1}, "number among": ["a", 1]},
    "maybe": {"another": OtherItem(), "list": [Item()]},
    "table": {"number as key": {1: 1}, "decimal": {"a": Decimal(1)}},
}
RIGHT: dict[str, list[Any]] = {
    "item": [Item(), Item(price=2), Item(note="x")],
    "items": [[], [Item()], [Item(), Item(note="x"), Item(price=2)]],
    "order": [Order(items=[]), Order(items=[Item(note="x")])],
    "number": [0, -5],
    "nothing": [None],
    "data": [b"", b"\xff"],
    "names": [[], ["a", "b"]],
    "maybe": [None, Item()],
    "table": [{}, {"a": 1}],
}


class Odd(ABC):
    @abstractmethod
    def missing(self, item_id: int, years: int | None = None) -> None: ...

    @abstractmethod
    def details(self, kind: str) -> None: ...

    @abstractmethod
    def raise_one(self, kind: str) -> None: ...

    @abstractmethod
    def item(self, kind: str) -> Item: ...

    @abstractmethod
    def items(self, kind: str) -> list[Item]: ...

    @abstractmethod
    def order(self, kind: str) -> Order: ...

    @abstractmethod
    def number(self, kind: str) -> int: ...

    @abstractmethod
    def nothing(self, kind: str) -> None: ...

    @abstractmethod
    def data(self, kind: str) -> bytes: ...

    @abstractmethod
    def names(self, kind: str) -> list[str]: ...

    @abstractmethod
    def maybe(self, kind: str) -> Item | None: ...

    @abstractmethod
    def table(self, kind: str) -> dict[str, int]: ...


class AsyncOdd(ABC):
    @abstractmethod
    async def missing(self, item_id: int, years: int | None = None) -> None: ...

    @abstractmethod
    async def details(self, kind: str) -> None: ...

    @abstractmethod
    async def raise_one(self, kind: str) -> None: ...

    @abstractmethod
    async def item(self, kind: str) -> Item: ...


class LocalOdd(Odd):
    """Each method writes an account before it does something else than it should."""

    def __init__(self, accounts: AccountRepo) -> None:
        self._accounts = accounts

    def missing(self, item_id: int, years: int | None = None) -> None:
        raise ItemNotFound(item_id) if years is None else RareItemNotFound(item_id, years)

    def details(self, kind: str) -> None:
        self._write()
        if kind == "text":
            raise Sold("sold: \udcff")
        raise Sold("it was sold", at=NOT_CARRIED[kind], number=1)

    def raise_one(self, kind: str) -> None:
        self._write()
        match kind:
            case "exit":
                sys.exit("usage: wrong")
            case "cancelled":
                raise asyncio.CancelledError
            case "keyboard":
                raise KeyboardInterrupt
            case "generator":
                raise GeneratorExit
            case "panic":
                raise PanicException("called unwrap on None")
            case "unprintable":
                raise Unprintable("x")
            case "unprintable defect":
                raise UnprintableDefect
        raise ZeroDivisionError("a detail that is nobody's business")

    def item(self, kind: str) -> Item:
        return cast(Item, self._returned("item", kind))

    def items(self, kind: str) -> list[Item]:
        return cast(list[Item], self._returned("items", kind))

    def order(self, kind: str) -> Order:
        return cast(Order, self._returned("order", kind))

    def number(self, kind: str) -> int:
        return cast(int, self._returned("number", kind))

    def nothing(self, kind: str) -> None:
        return cast(None, self._returned("nothing", kind))

    def data(self, kind: str) -> bytes:
        return cast(bytes, self._returned("data", kind))

    def names(self, kind: str) -> list[str]:
        return cast(list[str], self._returned("names", kind))

    def maybe(self, kind: str) -> Item | None:
        return cast(Item, self._returned("maybe", kind))

    def table(self, kind: str) -> dict[str, int]:
        return cast(dict[str, int], self._returned("table", kind))

    def _returned(self, method: str, kind: str) -> Any:
        if kind.isdigit():
            return RIGHT[method][int(kind)]
        self._write()
        return OTHER_TYPES[method][kind]

    def _write(self) -> Account:
        return self._accounts.create_account(CreateAccountInput(email="half@example.com"))


class OddFactory(ServiceFactory):
    services = ServiceFactory.services | {"odd": Odd}

    def get_services(self) -> Mapping[str, object]:
        return {**super().get_services(), "odd": LocalOdd(self.get_account_repo())}
