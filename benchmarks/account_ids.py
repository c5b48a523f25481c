import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

_CHARACTERS = 36  # of an id


class AccountIds(Protocol):
    """What a caller picks an account from."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> str: ...


class AccountIdFile:
    """Ids in a file without separators, as millions of them may be too many to hold as text."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @staticmethod
    def write(path: Path, ids: Iterable[str]) -> None:
        """Write the file; it is there only once it is whole."""
        unfinished = path.with_name(f"{path.name}.unfinished")
        with unfinished.open("w", encoding="ascii") as file:
            file.writelines(ids)
        unfinished.rename(path)

    def __len__(self) -> int:
        return len(self._bytes) // _CHARACTERS

    def __getitem__(self, index: int, /) -> str:
        start = index * _CHARACTERS
        return self._bytes[start : start + _CHARACTERS].decode("ascii")
