from pathlib import Path

from notes.interface import NoteRepo
from notes.repository import PeeweeNoteRepo
from pack_db import ServiceFactory


class NotesFactory(ServiceFactory):
    services = ServiceFactory.services | {"notes": NoteRepo}
    migrations = ServiceFactory.migrations | {"notes": Path(__file__).with_name("migrations")}

    def get_services(self) -> dict[str, object]:
        return {**super().get_services(), "notes": PeeweeNoteRepo(self.get_database_connection())}
