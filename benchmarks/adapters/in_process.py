"""No server: the client process opens the SQLite file itself."""

import time
from pathlib import Path
from typing import Any

import peewee

from benchmarks.account_store import AccountStore, fresh_database
from benchmarks.accounts import as_dict, new_row
from benchmarks.adapter import Adapter
from benchmarks.clients import Client
from benchmarks.workload import Durability


class _SqliteClient:
    def __init__(self, store: AccountStore) -> None:
        self._store = store
        self.consume = store.consume
        self.close = store.close

    def get(self, account_id: str) -> object:
        return as_dict(self._store.get(account_id))

    def create(self, email: str) -> object:
        return as_dict(self._store.create(email))


class _PeeweeClient:
    def __init__(self, path: Path, durability: Durability) -> None:
        self._database = peewee.SqliteDatabase(
            str(path),
            timeout=5,
            pragmas={"journal_mode": "wal", "synchronous": durability.synchronous},
        )

        class AccountModel(peewee.Model):
            id = peewee.TextField(primary_key=True)
            email = peewee.TextField(unique=True)
            api_key = peewee.TextField(unique=True)
            plan_name = peewee.TextField()
            token_remaining = peewee.IntegerField()
            topup_remaining = peewee.IntegerField()
            status = peewee.IntegerField()
            created_at = peewee.IntegerField()
            updated_at = peewee.IntegerField()

            class Meta:
                database = self._database
                table_name = "accounts"

        self._model: Any = AccountModel
        self._database.connect()

    def get(self, account_id: str) -> object:
        model = self._model
        return model.select().where(model.id == account_id).dicts().get()

    def consume(self, account_id: str) -> int:
        model = self._model
        [updated] = (
            model.update(token_remaining=model.token_remaining - 1, updated_at=int(time.time()))
            .where(model.id == account_id, model.token_remaining >= 1)
            .returning(model.token_remaining)
            .execute()
        )
        return int(updated.token_remaining)

    def create(self, email: str) -> object:
        return self._model.create(**as_dict(new_row(email))).__data__

    def close(self) -> None:
        self._database.close()


class PreparedSqlite(Adapter):
    name = "sqlite3"
    title = "sqlite3 in process, prepared"

    def prepare(self) -> None:
        fresh_database(self.database_path)

    def client(self) -> Client:
        return _SqliteClient(AccountStore(self.database_path, self.durability))


class PeeweeInProcess(Adapter):
    name = "peewee"
    title = "Peewee in process"
    packages = ("peewee",)

    def prepare(self) -> None:
        fresh_database(self.database_path)

    def client(self) -> Client:
        return _PeeweeClient(self.database_path, self.durability)
