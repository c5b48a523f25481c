from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pack_db.config import Config, ConfigKeys
from pack_db.configured_factory import configured_factory

Interface = TypeVar("Interface")


class InProcess:
    """The services in this process, where `PackDb` has them: `accounts`, `tokens`, `service`.

    Args:
        path: of a database that is not there yet.
        service_factory: as the setting SERVICE_FACTORY; empty for none.
    """

    def __init__(self, path: Path, service_factory: str = "") -> None:
        settings: dict[str, str] = {
            ConfigKeys.DB_PATH: str(path),
            ConfigKeys.SERVICE_FACTORY: service_factory,
        }
        with ExitStack() as opened:
            self.factory = opened.enter_context(configured_factory(Config(settings)))
            self.factory.get_database_connection().run_migrations()
            self.accounts = self.factory.get_account_repo()
            self.tokens = self.factory.get_token_repo()
            self._services = self.factory.get_services()
            self._opened = opened.pop_all()

    def service(self, name: str, interface: type[Interface]) -> Interface:
        """The service of this name, which has to implement `interface`."""
        service = self._services[name]
        if not isinstance(service, interface):
            raise TypeError(f"{name} is a {type(service).__name__}, no {interface.__name__}")
        return service

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()
