from pathlib import Path

from pack_db import ServiceFactory
from settings_store.interface import SettingsStore
from settings_store.repository import PeeweeSettingsStore


class SettingsFactory(ServiceFactory):
    services = ServiceFactory.services | {"settings": SettingsStore}
    migrations = ServiceFactory.migrations | {"settings": Path(__file__).with_name("migrations")}

    def get_services(self) -> dict[str, object]:
        return {
            **super().get_services(),
            "settings": PeeweeSettingsStore(self.get_database_connection()),
        }
