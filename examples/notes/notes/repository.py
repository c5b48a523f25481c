import peewee

from notes.interface import Note, NoteNotFound, NoteRepo
from pack_db import AccountNotFound, ConstraintViolated, DatabaseConnection

ACCOUNT = peewee.SQL("REFERENCES accounts (id) ON DELETE CASCADE")


class Notes(peewee.Model):
    id = peewee.AutoField()
    account_id = peewee.TextField(index=True, constraints=[ACCOUNT])
    text = peewee.TextField()


class PeeweeNoteRepo(NoteRepo):
    def __init__(self, database: DatabaseConnection) -> None:
        database.bind(Notes)

    def add(self, account_id: str, text: str) -> Note:
        try:
            made = Notes.create(account_id=account_id, text=text)
        except ConstraintViolated as exc:
            raise AccountNotFound(f"no account has the id {account_id}") from exc
        return Note(made.id, account_id, text)

    def list_notes(self, account_id: str, after: int = 0) -> list[Note]:
        later = Notes.select().where(Notes.account_id == account_id, Notes.id > after)
        return [Note(n.id, n.account_id, n.text) for n in later.order_by(Notes.id).limit(100)]

    def remove(self, note_id: int) -> None:
        if not Notes.delete().where(Notes.id == note_id).execute():
            raise NoteNotFound(f"no note has the id {note_id}")
