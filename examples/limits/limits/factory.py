from pathlib import Path

from limits.interface import RateLimiter
from limits.repository import PeeweeRateLimiter
from pack_db import ServiceFactory


class LimitsFactory(ServiceFactory):
    services = ServiceFactory.services | {"limits": RateLimiter}
    migrations = ServiceFactory.migrations | {"limits": Path(__file__).with_name("migrations")}

    def get_services(self) -> dict[str, object]:
        return {
            **super().get_services(),
            "limits": PeeweeRateLimiter(self.get_database_connection()),
        }
