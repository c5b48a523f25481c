from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

Row = TypeVar("Row")


class Outcome(Enum):
    IMPORTED = auto()  # or would be, in a dry run
    ALREADY_THERE = auto()


@dataclass(frozen=True, slots=True)
class Refused:
    reason: str


class RowImporter(ABC, Generic[Row]):
    """Puts rows into the database, through the services and what they allow."""

    @abstractmethod
    def take(self, rows: Sequence[Row]) -> Sequence[Outcome | Refused]:
        """Import some rows in one message or a few; returns what became of each, in order.

        A row that was imported before is found to be there already, so rows may be given again.

        Raises:
            PackDbError: the daemon could not be called, and any of the rows may be imported.
        """
