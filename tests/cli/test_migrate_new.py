"""Migrations of a package of somebody's own: the first from its models, the later ones scripts."""

import re
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from tests.support.daemon_process import PATIENCE_S

FACTORY = """
from pathlib import Path
import peewee
from pack_db import ServiceFactory

class Thing(peewee.Model):
    name = peewee.CharField(unique=True)

    class Meta:
        table_name = "things"

class Part(peewee.Model):
    thing = peewee.ForeignKeyField(Thing, on_delete="CASCADE")

    class Meta:
        table_name = "parts"

class Factory(ServiceFactory):
    migrations = ServiceFactory.migrations | {"things": Path(__file__).with_name("migrations")}
"""
STARS = 'migrator.migrate(migrator.add_column("things", "stars", peewee.IntegerField(default=3)))'


class Package:
    def __init__(self, directory: Path, engine_settings: dict[str, str]) -> None:
        self.directory = directory
        self.settings = engine_settings
        self.file = directory / "things" / "factory.py"
        self.file.parent.mkdir()
        self.file.write_text(FACTORY)

    def run(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        factory = {"PYTHONPATH": str(self.directory), "SERVICE_FACTORY": "things.factory:Factory"}
        return subprocess.run(
            [sys.executable, "-m", "pack_db_daemon", "migrate", *arguments],
            env={**factory, **self.settings, **settings},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    def migrate(self, *arguments: str, **settings: str) -> str:
        done = self.run(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_stars(self) -> None:
        self.migrate("new", "Add stars!")
        script = self.file.parent / "migrations" / "0002_add_stars.py"
        script.write_text(re.sub("raise .*", STARS, script.read_text()))
        model = "name = peewee.CharField(unique=True)"
        stars = "stars = peewee.IntegerField(default=3)"
        self.file.write_text(FACTORY.replace(model, f"{model}\n    {stars}"))


@pytest.fixture(params=["sqlite", "postgres"])
def package(tmp_path: Path, request: pytest.FixtureRequest) -> Package:
    settings = {"DB_PATH": str(tmp_path / "pack.db")}
    if request.param == "postgres":
        settings = {"DB_URL": request.getfixturevalue("shared_postgres").new_database()}
    return Package(tmp_path, settings)


def states(package: Package, **settings: str) -> list[str]:
    lines = package.migrate("status", **settings).splitlines()
    return [line.split()[1] for line in lines if line.startswith("things/")]


def test_the_first_creates_the_tables_of_the_models(package: Package) -> None:
    made = package.migrate("new", "tables")
    script = package.file.parent / "migrations" / "0001_tables.py"
    assert str(script) in made.replace("\n", "")
    assert script.read_text().endswith(
        "from things.factory import Part\n"
        "from things.factory import Thing\n\n"
        "MODELS = [Part, Thing]\n"
    )
    assert "things/0001_tables" in package.migrate("up")
    assert states(package) == ["applied"]
    assert "newest already" in package.migrate("up")


def test_a_later_one_changes_what_is_there_and_is_not_needed_by_what_is_new(
    package: Package, tmp_path: Path
) -> None:
    package.migrate("new", "tables")
    package.migrate("up")
    package.add_stars()
    assert states(package) == ["applied", "pending"]
    assert "things/0002_add_stars" in package.migrate("up")
    assert states(package) == ["applied", "applied"]

    fresh = {"DB_PATH": str(tmp_path / "fresh.db"), "DB_URL": ""}
    assert "things/0002_add_stars" in package.migrate("up", **fresh)
    assert states(package, **fresh) == ["applied", "applied"]
    columns = apsw.Connection(fresh["DB_PATH"]).execute("PRAGMA table_info(things)").fetchall()
    assert [column[1] for column in columns] == ["id", "name", "stars"]


def test_one_that_was_not_filled_in_is_refused(package: Package) -> None:
    package.migrate("new", "tables")
    package.migrate("up")
    package.migrate("new", "later")
    done = package.run("up")
    assert done.returncode == 5
    assert "migration things/0002_later failed: NotImplementedError: say what" in done.stderr


@pytest.mark.parametrize("models", ["MODELS = [Thing]", "MODELS = 6", "import nothing"])
def test_models_that_cannot_be_created_leave_nothing(package: Package, models: str) -> None:
    package.migrate("new", "tables")
    script = package.file.parent / "migrations" / "0001_tables.py"
    right = script.read_text()
    script.write_text(models)
    done = package.run("up")
    assert done.returncode == 5
    assert "migration things/0001_tables failed: " in done.stderr
    script.write_text(right)
    package.migrate("up")


def test_whose_migration_it_is_has_to_be_clear(package: Package) -> None:
    done = package.run("new", "tables", "--package", "others")
    assert (done.returncode, "name one of the packages: things" in done.stderr) == (2, True)
    done = package.run("new", "tables", SERVICE_FACTORY="")
    assert (done.returncode, "SERVICE_FACTORY names no factory" in done.stderr) == (2, True)
