"""A service whose calls each take a while, and are noted in the file `done` beside the database."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping

from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.query import query

CALL_S = 0.02


class Slow(ABC):
    @abstractmethod
    @query
    def read(self, call: str) -> str: ...

    @abstractmethod
    def write(self, call: str) -> str: ...


class LocalSlow(Slow):
    def __init__(self, done_path: str) -> None:
        self._done = os.open(done_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def read(self, call: str) -> str:
        return self._take_time(call)

    def write(self, call: str) -> str:
        return self._take_time(call)

    def _take_time(self, call: str) -> str:
        time.sleep(CALL_S)
        os.write(self._done, f"{time.monotonic()} {call}\n".encode())
        return call


class SlowFactory(ServiceFactory):
    services = ServiceFactory.services | {"slow": Slow}

    def get_services(self) -> Mapping[str, object]:
        done_path = self.get_config().database_path.with_name("done")
        return {**super().get_services(), "slow": LocalSlow(str(done_path))}
