import peewee

from pack_db import AccountNotFound, ConstraintViolated, DatabaseConnection, parameter

from .note_repo import Note, NoteNotFound, NoteRepo


class Notes(peewee.Model):  # the table "notes"
    id = peewee.AutoField()
    account_id = peewee.TextField()
    text = peewee.TextField()


class PeeweeNoteRepo(NoteRepo):
    def __init__(self, database: DatabaseConnection) -> None:
        account_id, text, after = parameter("account_id"), parameter("text"), parameter("after")
        insert = Notes.insert(account_id=account_id, text=text).returning(Notes)
        later = Notes.select().where(Notes.account_id == account_id, Notes.id > after)
        delete = Notes.delete().where(Notes.id == parameter("id")).returning(Notes.id)
        self._insert = database.compile(insert)
        self._page = database.compile(later.order_by(Notes.id).limit(100))
        self._delete = database.compile(delete)

    def add(self, account_id: str, text: str) -> Note:
        try:
            [row] = self._insert(account_id=account_id, text=text)
        except ConstraintViolated as exc:
            raise AccountNotFound(f"no account has the id {account_id}") from exc
        return Note(*row)

    def list_notes(self, account_id: str, after: int = 0) -> list[Note]:
        return [Note(*row) for row in self._page(account_id=account_id, after=after)]

    def remove(self, note_id: int) -> None:
        if not self._delete(id=note_id):
            raise NoteNotFound(f"no note has the id {note_id}")
