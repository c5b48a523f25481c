from pathlib import Path

from benchmarks.adapters.pack_db import PackDbWithWorkers
from benchmarks.workload import Durability
from pack_db.config import ConfigKeys


class PackDbOnPostgres(PackDbWithWorkers):
    """pack-db on a database that has its accounts already.

    Args:
        url: of the database.
    """

    def __init__(self, directory: Path, durability: Durability, workers: int, url: str) -> None:
        super().__init__(directory, durability, workers)
        self._url = url

    def prepare(self) -> None:
        pass

    def _settings(self) -> dict[str, str]:
        return super()._settings() | {ConfigKeys.DB_URL: self._url}
