from abc import ABC, abstractmethod
from dataclasses import dataclass

from pack_db import NotFound, query


@dataclass(frozen=True, slots=True)
class Note:
    id: int
    account_id: str
    text: str


class NoteNotFound(NotFound):
    code = "note_not_found"


class NoteRepo(ABC):
    @abstractmethod
    def add(self, account_id: str, text: str) -> Note:
        """Raises: AccountNotFound."""

    @abstractmethod
    @query
    def list_notes(self, account_id: str, after: int = 0) -> list[Note]:
        """The next 100 notes of an account with an id above `after`."""

    @abstractmethod
    def remove(self, note_id: int) -> None:
        """Raises: NoteNotFound."""


class AsyncNoteRepo(ABC):
    """`NoteRepo` for asyncio: the same methods, arguments, results and errors."""

    @abstractmethod
    async def add(self, account_id: str, text: str) -> Note: ...

    @abstractmethod
    @query
    async def list_notes(self, account_id: str, after: int = 0) -> list[Note]: ...

    @abstractmethod
    async def remove(self, note_id: int) -> None: ...
