import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from notes.factory import NotesFactory
from notes.interface import NoteNotFound, NoteRepo

from pack_db import AccountNotFound, Config, CreateAccountInput


@pytest.fixture
def factory(tmp_path: Path) -> Iterator[NotesFactory]:
    factory = NotesFactory(Config({"DB_PATH": str(tmp_path / "notes.db"), **os.environ}))
    factory.get_database_connection().run_migrations()
    yield factory
    factory.close()


@pytest.fixture
def notes(factory: NotesFactory) -> NoteRepo:
    return factory.get_services()["notes"]  # type: ignore[return-value]


def test_notes_are_added_listed_and_removed(factory: NotesFactory, notes: NoteRepo) -> None:
    account = factory.get_account_repo().create_account(CreateAccountInput(email="a@example.com"))
    one, two = notes.add(account.id, "one"), notes.add(account.id, "two")
    assert notes.list_notes(account.id) == [one, two]
    notes.remove(one.id)
    assert notes.list_notes(account.id) == [two]
    with pytest.raises(NoteNotFound):
        notes.remove(one.id)


def test_a_note_has_an_account(notes: NoteRepo) -> None:
    with pytest.raises(AccountNotFound):
        notes.add("nobody", "text")
