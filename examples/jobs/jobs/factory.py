from pathlib import Path

from jobs.interface import JobQueue
from jobs.repository import PeeweeJobQueue
from pack_db import ServiceFactory


class JobsFactory(ServiceFactory):
    services = ServiceFactory.services | {"jobs": JobQueue}
    migrations = ServiceFactory.migrations | {"jobs": Path(__file__).with_name("migrations")}

    def get_services(self) -> dict[str, object]:
        return {**super().get_services(), "jobs": PeeweeJobQueue(self.get_database_connection())}
