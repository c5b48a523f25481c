"""Ordinary Peewee: whoever knows it gets along, on the one connection and in its transaction."""

import datetime
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import peewee
import pytest

from pack_db import Config, ConstraintViolated, DatabaseConnection, ServiceFactory
from pack_db.errors import StorageError, StorageMoved


class Box(peewee.Model):
    name = peewee.CharField(unique=True)


class Thing(peewee.Model):
    id = peewee.AutoField()
    box = peewee.ForeignKeyField(Box, on_delete="CASCADE")
    name = peewee.CharField()
    count = peewee.IntegerField(default=1)
    is_new = peewee.BooleanField(default=True)
    made_at = peewee.DateTimeField(default=datetime.datetime.now)
    due = peewee.DateField(null=True)
    price = peewee.DecimalField(null=True, max_digits=10, decimal_places=2)
    code = peewee.UUIDField(null=True)
    data = peewee.BlobField()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseConnection]:
    directory = tmp_path / "migrations"
    directory.mkdir()
    (directory / "0001_tables.py").write_text(
        "from tests.core.test_bound_models import Box, Thing\nMODELS = [Box, Thing]\n"
    )
    settings = {"DB_PATH": str(tmp_path / "pack.db")}
    if request.param == "postgresql":
        settings = {"DB_URL": request.getfixturevalue("shared_postgres").new_database()}

    class Factory(ServiceFactory):
        migrations: ClassVar[dict[str, Path]] = {"things": directory}

    with closing(Factory(Config(settings)).get_database_connection()) as database:
        database.run_migrations()
        database.bind(Box, Thing)
        yield database


def names() -> list[str]:
    return [box.name for box in Box.select().order_by(Box.name)]


def test_what_peewee_writes_peewee_reads(database: DatabaseConnection) -> None:
    box = Box.create(name="a")
    code, due = uuid.uuid4(), datetime.date(2027, 1, 31)
    thing = Thing.create(
        box=box, name="x", price=Decimal("1.50"), code=code, due=due, data=b"\xff", is_new=False
    )
    found = Thing.get(Thing.name == "x")
    assert (found.id, found.box.name) == (thing.id, "a")
    assert (found.price, found.code, found.due) == (Decimal("1.50"), code, due)
    assert (found.made_at, bytes(found.data), found.is_new) == (thing.made_at, b"\xff", False)
    found.count += 4
    assert found.save() == 1
    assert [(t.name, t.count) for t in Thing.select().where(Thing.box == box)] == [("x", 5)]
    assert Thing.select().where(Thing.count > 5).count() == 0
    assert Thing.get_or_none(Thing.name == "y") is None
    with pytest.raises(peewee.DoesNotExist):
        Thing.get(Thing.name == "y")


def test_bulk_statements_returning_tuples_and_dicts(database: DatabaseConnection) -> None:
    box = Box.create(name="a")
    rows = [{"box": box, "name": str(n), "count": n, "data": b""} for n in range(5)]
    Thing.insert_many(rows).execute()
    Thing.bulk_create([Thing(box=box, name="bulk", count=9, data=b"")])
    assert Thing.update(count=Thing.count + 1).where(Thing.count < 3).execute() == 3
    counts = Thing.select(Thing.name, Thing.count).order_by(Thing.name).limit(2)
    assert list(counts.tuples()) == [("0", 1), ("1", 2)]
    total = peewee.fn.SUM(Thing.count).alias("total")
    [row] = Thing.select(total).where(Thing.name != "bulk").dicts()
    assert row == {"total": 13}
    assert Thing.select(total).where(Thing.name != "bulk").scalar() == 13
    deleted = Thing.delete().where(Thing.name == "0").returning(Thing.name).execute()
    assert [thing.name for thing in deleted] == ["0"]
    assert box.delete_instance() == 1
    assert Thing.select().count() == 0


def test_get_or_create_and_upsert(database: DatabaseConnection) -> None:
    one, was_made = Box.get_or_create(name="a")  # type: ignore[no-untyped-call]
    again, was_made_again = Box.get_or_create(name="a")  # type: ignore[no-untyped-call]
    assert (was_made, was_made_again, one.id) == (True, False, again.id)
    Box.insert(name="a").on_conflict_ignore().execute()
    assert names() == ["a"]


def test_it_is_part_of_the_transaction_that_is_open(database: DatabaseConnection) -> None:
    with suppress(KeyError), database.transaction():
        Box.create(name="undone")
        assert names() == ["undone"]
        raise KeyError
    assert names() == []
    with database.transaction():
        Box.create(name="a")
        with suppress(KeyError), database.savepoint():
            Box.create(name="undone")
            raise KeyError
        with suppress(KeyError), Box._meta.database.atomic():
            Box.create(name="undone")
            raise KeyError
    assert names() == ["a"]


def test_peewees_own_blocks_are_those_of_pack_db(database: DatabaseConnection) -> None:
    peewees = Box._meta.database
    with suppress(KeyError), peewees.atomic():
        Box.create(name="undone")
        database.execute("INSERT INTO box (name) VALUES ('too')")
        raise KeyError
    with peewees.transaction():
        Box.create(name="a")
    assert names() == ["a"]


def test_a_broken_constraint_is_both_pack_dbs_and_peewees_error(
    database: DatabaseConnection,
) -> None:
    Box.create(name="a")
    with pytest.raises(ConstraintViolated) as caught:
        Box.create(name="a")
    assert isinstance(caught.value, peewee.IntegrityError)
    with database.transaction():
        with pytest.raises(peewee.IntegrityError), database.savepoint():
            Box.create(name="a")
        Box.create(name="b")
    assert names() == ["a", "b"]
    with pytest.raises(ConstraintViolated, match="mine"), database.transaction():
        raise ConstraintViolated("mine")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_it_runs_on_the_one_connection_and_makes_no_other(database: DatabaseConnection) -> None:
    peewees = Box._meta.database
    with pytest.raises(peewee.InterfaceError, match="pack-db keeps the connection"):
        peewees.connect()
    peewees.close()
    Box.create(name="a")
    database.close()
    with pytest.raises(StorageError):
        Box.create(name="b")


def test_a_query_that_is_compiled_is_the_same_query(database: DatabaseConnection) -> None:
    Box.create(name="a")
    assert database.compile(Box.select(Box.name))() == [("a",)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_threads_write_each_in_its_own_transaction(database: DatabaseConnection) -> None:
    def write(number: int) -> None:
        for n in range(20):
            with suppress(KeyError), database.transaction():
                Box.create(name=f"{number}-{n}")
                if n % 2:
                    raise KeyError

    threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names() == sorted(f"{number}-{n}" for number in range(4) for n in range(0, 20, 2))


def test_a_write_into_a_file_that_was_moved_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pack.db"
    with closing(ServiceFactory(Config({"DB_PATH": str(path)}))) as factory:
        database = factory.get_database_connection()
        database.run_migrations()
        database.execute("CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
        database.bind(Box)
        Box.create(name="a")
        shutil.move(path, tmp_path / "elsewhere.db")
        with pytest.raises(StorageMoved):
            Box.create(name="b")
        assert names() == ["a"]


def test_a_value_that_sqlite_has_no_type_for_is_refused(tmp_path: Path) -> None:
    factory = ServiceFactory(Config({"DB_PATH": str(tmp_path / "pack.db")}))
    database = factory.get_database_connection()
    with closing(factory), pytest.raises(TypeError, match="SQLite cannot hold a set"):
        database.execute("SELECT ?", [{1}])
