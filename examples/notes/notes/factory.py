from pathlib import Path

from pack_db import ServiceFactory

from .note_repo import NoteRepo
from .peewee_note_repo import PeeweeNoteRepo


class NotesFactory(ServiceFactory):
    services = ServiceFactory.services | {"notes": NoteRepo}
    migrations = ServiceFactory.migrations | {"notes": Path(__file__).with_name("migrations")}

    def get_services(self) -> dict[str, object]:
        return {**super().get_services(), "notes": PeeweeNoteRepo(self.get_database_connection())}
