"""A service whose method takes and returns every kind of value that an interface may name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal, NamedTuple

from typing_extensions import TypedDict

from pack_db import ServiceFactory


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


class Point(NamedTuple):
    x: int
    y: float


class Label(TypedDict):
    text: str


@dataclass(frozen=True, kw_only=True)
class Everything:
    nothing: None = None
    flag: bool = True
    number: int = -(2**63)
    fraction: float = 0.5
    text: str = "zoë"
    data: bytes = b"\x00\xff"
    colour: Colour = Colour.RED
    size: Size = Size.LARGE
    word: Literal["one", 2] = "one"
    point: Point = field(default_factory=lambda: Point(1, 2.5))
    label: Label = field(default_factory=lambda: Label(text="hello"))
    pair: tuple[int, str] = (1, "x")
    row: tuple[int, ...] = (1, 2, 3)
    table: dict[str, list[int]] = field(default_factory=lambda: {"a": [1, 2]})
    either: int | str | None = "either"
    whatever: Any = field(default_factory=lambda: [1, {"b": None}])
    inner: "Everything | None" = None


class Echo(ABC):
    @abstractmethod
    def echo(
        self,
        everything: Everything,
        colour: Colour,
        size: Size,
        point: Point,
        label: Label,
        data: bytes,
        table: dict[str, Everything],
    ) -> tuple[Everything, Colour, Size, Point, Label, bytes, dict[str, Everything]]: ...


class LocalEcho(Echo):
    def echo(
        self,
        everything: Everything,
        colour: Colour,
        size: Size,
        point: Point,
        label: Label,
        data: bytes,
        table: dict[str, Everything],
    ) -> tuple[Everything, Colour, Size, Point, Label, bytes, dict[str, Everything]]:
        return everything, colour, size, point, label, data, table


class EchoFactory(ServiceFactory):
    services = ServiceFactory.services | {"echo": Echo}

    def get_services(self) -> Mapping[str, object]:
        return {**super().get_services(), "echo": LocalEcho()}
