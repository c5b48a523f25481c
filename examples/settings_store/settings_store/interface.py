from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from pack_db import NotFound, PackDbError, query


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    value: str
    version: int
    changed_by: str
    changed_at: datetime


class SettingNotFound(NotFound):
    code = "setting_not_found"


class SettingOutdated(PackDbError):
    """Somebody else has changed the setting since; nothing was changed."""

    code = "setting_outdated"


class SettingsStore(ABC):
    @abstractmethod
    @query
    def get(self, name: str) -> Setting:
        """Raises: SettingNotFound."""

    @abstractmethod
    @query
    def history(self, name: str) -> list[Setting]:
        """The last 100 versions, the newest first."""

    @abstractmethod
    def change(self, values: dict[str, str], changed_by: str) -> list[Setting]:
        """All of them or none."""

    @abstractmethod
    def replace(self, seen: Setting, value: str, changed_by: str) -> Setting:
        """Change a setting that nobody else has changed since it was read.

        Raises: SettingOutdated.
        """

    @abstractmethod
    def revert(self, name: str, version: int, changed_by: str) -> Setting:
        """Give a setting the value of a former version. Raises: SettingNotFound."""
