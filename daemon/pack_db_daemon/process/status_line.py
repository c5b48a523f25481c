from pack_db.interfaces.database import Database
from pack_db.interfaces.entities.database_status import GOOD_HEALTH


class StatusLine:
    """The line for people that the service manager shows: what is served, or what is wrong."""

    def __init__(self, served: str, database: Database) -> None:
        self.text = served
        self._served = served
        self._database = database

    def update(self) -> bool:
        """Look at the database; True if the line has changed."""
        health = self._database.check()
        text = self._served if health == GOOD_HEALTH else f"{self._served}, but {health}"
        changed = text != self.text
        self.text = text
        return changed
