import pytest
from notes.interface import NoteNotFound, NoteRepo

from pack_db import AccountNotFound, CreateAccountInput
from pack_db_client import PackDb


@pytest.fixture(scope="session")
def pack_db_service_factory() -> str:
    return "notes.factory:NotesFactory"


def test_notes_are_added_listed_and_removed(pack_db: PackDb) -> None:
    notes = pack_db.service("notes", NoteRepo)
    account = pack_db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    one, two = notes.add(account.id, "one"), notes.add(account.id, "two")
    assert notes.list_notes(account.id) == [one, two]
    notes.remove(one.id)
    assert notes.list_notes(account.id) == [two]
    with pytest.raises(NoteNotFound):
        notes.remove(one.id)


def test_a_note_has_an_account(pack_db: PackDb) -> None:
    with pytest.raises(AccountNotFound):
        pack_db.service("notes", NoteRepo).add("nobody", "text")
