"""Somebody's own service, whose table has a column of each kind."""

from abc import ABC, abstractmethod
from dataclasses import astuple, dataclass
from pathlib import Path

import peewee

from pack_db.impls.compiled_query import parameter
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.query import query


@dataclass(frozen=True)
class Mark:
    account_id: str
    text: str | None
    weight: float
    is_open: bool
    picture: bytes


class MarkRepo(ABC):
    @abstractmethod
    def add(self, mark: Mark) -> int:
        """Returns the id."""

    @abstractmethod
    @query
    def list_marks(self) -> list[tuple[int, Mark]]: ...


class Marks(peewee.Model):  # the table "marks"
    id = peewee.AutoField()
    account_id = peewee.TextField()
    text = peewee.TextField(null=True)
    weight = peewee.DoubleField()
    is_open = peewee.BooleanField()
    picture = peewee.BlobField()


COLUMNS = (Marks.account_id, Marks.text, Marks.weight, Marks.is_open, Marks.picture)


class PeeweeMarkRepo(MarkRepo):
    def __init__(self, database: DatabaseConnection) -> None:
        self._insert = database.compile(
            Marks.insert({c: parameter(c.name) for c in COLUMNS}).returning(Marks.id)
        )
        self._select = database.compile(Marks.select(Marks.id, *COLUMNS).order_by(Marks.id))

    def add(self, mark: Mark) -> int:
        values = dict(zip((c.name for c in COLUMNS), astuple(mark), strict=True))
        [(mark_id,)] = self._insert(**values)
        return int(mark_id)

    def list_marks(self) -> list[tuple[int, Mark]]:
        return [
            (mark_id, Mark(account_id, text, weight, bool(is_open), picture))
            for mark_id, account_id, text, weight, is_open, picture in self._select()
        ]


class MarksFactory(ServiceFactory):
    services = ServiceFactory.services | {"marks": MarkRepo}
    migrations = ServiceFactory.migrations | {"marks": Path(__file__).parent / "marks_migrations"}

    def get_services(self) -> dict[str, object]:
        return {**super().get_services(), "marks": PeeweeMarkRepo(self.get_database_connection())}
