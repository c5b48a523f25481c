"""A mistake in somebody's own services ends the daemon at its start, with a line that helps."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

SERVICE = """
from __future__ import annotations
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import time
from enum import Enum
from pathlib import Path
from typing import Any
from pack_db import ServiceFactory

class Mixed(Enum):
    TEXT = "text"
    NUMBER = 1

class Things(ABC):
    @abstractmethod
    def add(self, name: str) -> int: ...

class MemoryThings(Things):
    def add(self, name: str) -> int:
        return 1

class Factory(ServiceFactory):
    services = ServiceFactory.services | {"things": Things}

    def get_services(self):
        return {**super().get_services(), "things": MemoryThings()}
"""
SIGNATURE = "def add(self, name: str) -> int: ..."
ROW = '{"things": Things}'
MIGRATED = (
    f'{ROW}\n    migrations = ServiceFactory.migrations | {{"things": Path(__file__).parent}}'
)
Start = Callable[..., DaemonProcess]


@pytest.fixture
def start(short_path: Path) -> Iterator[Start]:
    """Start a daemon with a factory from `things.py`."""
    daemon = DaemonProcess(short_path, {"PYTHONPATH": str(short_path)})

    def start_with(
        code: str, factory: str = "things:Factory", *, wait: bool = False
    ) -> DaemonProcess:
        (short_path / "things.py").write_text(code)
        daemon.environment["SERVICE_FACTORY"] = factory
        daemon.start(wait=wait)
        return daemon

    yield start_with
    daemon.clean_up()


def refused(daemon: DaemonProcess) -> str:
    """The one line, below what it logged, with which the daemon ended."""
    assert daemon.wait() == 5
    [line] = [line for line in daemon.log.splitlines() if " INFO " not in line]
    assert line.startswith("pack-db: ")
    return line


def test_without_a_mistake_it_starts(start: Start) -> None:
    daemon = start(SERVICE, wait=True)
    assert PackDbCommand(daemon).json("call", "things.add", "name=one") == 1


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("things", "is no subclass of ServiceFactory (package.module:ClassName)"),
        ("not a module", "must have the form package.module:ClassName"),
        ("things:Nothing", "module 'things' has no attribute 'Nothing'"),
        ("nothing:Factory", "No module named 'nothing'; install it where pack-db is installed"),
        ("things:Things", "is no subclass of ServiceFactory"),
        ("things:SIX", "is no subclass of ServiceFactory"),
    ],
)
def test_a_factory_that_cannot_be_found(start: Start, factory: str, says: str) -> None:
    line = refused(start(f"{SERVICE}\nSIX = 6\n", factory))
    assert line.startswith(f"pack-db: SERVICE_FACTORY: {factory}: ")
    assert says in line


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_package", "No module named 'no_such_package'"),
        ("def f(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_cannot_be_imported(start: Start, code: str, says: str) -> None:
    assert says in refused(start(code))


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ("def add(self, name) -> int: ...", "things.add: needs type hints for all arguments"),
        ("def add(self, name: str): ...", "things.add: needs type hints for all arguments"),
        ("def add(self, *name: str) -> int: ...", "things.add: *name: 'str' cannot be passed"),
        ("def add(self, name: Nothing) -> int: ...", "name 'Nothing' is not defined"),
        ("def add(self, name: time) -> int: ...", "things.add: name: Time cannot travel"),
        ("def add(self, name: Mixed) -> int: ...", "things.add: name: Enums must contain either"),
        ("def add(self, name: str) -> set[int]: ...", "things.add: the result: Set cannot travel"),
        ("def add(self, name: Things) -> int: ...", "things.add: name: Things cannot travel"),
        ("def add(self, name: list[dict[int, str]]) -> int: ...", "name: Dict cannot travel"),
        ("def add(self, name: list[str] | tuple[str, int]) -> int: ...", "things.add: name: Type"),
        ("def add(self, name: Thing | None) -> int: ...", "things.add: name: Path cannot travel"),
        ("async def add(self, name: str) -> int: ...", "things.add is 'async def'; the daemon"),
    ],
)
def test_an_interface_that_cannot_be_served(start: Start, signature: str, says: str) -> None:
    thing = "@dataclass\nclass Thing:\n    path: Path\n    parts: list[Thing]\n\nclass Things(ABC)"
    code = SERVICE.replace(SIGNATURE, signature).replace("class Things(ABC)", thing)
    line = refused(start(code))
    assert line.startswith("pack-db: service things cannot be served: ")
    assert says in line


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        (ROW, '{"accounts": Things}', "services: 'accounts' is pack-db's own and must stay"),
        (f"ServiceFactory.services | {ROW}", ROW, "services: 'accounts' is pack-db's own"),
        (ROW, '{"things": 6}', "6 has no @abstractmethod; name the interface"),
        (ROW, '{"daemon": Things}', "service daemon: the daemon's own has this name"),
        (ROW, '{"my things": Things}', "services: 'my things' is no identifier"),
        (
            ROW,
            '{"things": MemoryThings}',
            "MemoryThings has no @abstractmethod; name the interface",
        ),
        (
            ', "things": MemoryThings()',
            "",
            "get_services() has NoneType for it, which is no Things",
        ),
        (
            "    def add(self, name: str) -> int:\n        return 1",
            "    async def add(self, name: str) -> int:\n        return 1",
            "service things: MemoryThings.add is 'async def'; the daemon calls plain functions",
        ),
        (
            "MemoryThings()",
            "6",
            "service things: get_services() has int for it, which is no Things",
        ),
    ],
)
def test_services_that_do_not_fit(start: Start, right: str, wrong: str, says: str) -> None:
    assert right in SERVICE
    assert says in refused(start(SERVICE.replace(right, wrong)))


@pytest.mark.parametrize(
    ("scripts", "says"),
    [
        ({}, "migrations of things: no script such as 0001_tables.py is in "),
        ({"0001_a": "pass", "0001_b": "pass"}, "have the number 1; rename the later one"),
        (
            {"0001_a": "db.execute_sql('CREATE TABLE accounts (id INTEGER)')"},
            "migration things/0001_a failed: OperationalError: table accounts already exists",
        ),
        ({"0001_a": "nonsense"}, "migration things/0001_a failed: NameError"),
    ],
)
def test_migrations_that_are_missing_or_collide(
    start: Start, short_path: Path, scripts: dict[str, str], says: str
) -> None:
    for name, statement in scripts.items():
        script = f"def up(migrator, db):\n    {statement}\n"
        (short_path / f"{name}.py").write_text(script)
    assert says in refused(start(SERVICE.replace(ROW, MIGRATED)))


def test_a_migration_that_failed_left_nothing_and_runs_once_it_is_mended(
    start: Start, short_path: Path
) -> None:
    script = short_path / "0001_a.py"
    create = "def up(migrator, db):\n    db.execute_sql('CREATE TABLE things (id INTEGER)')\n"
    script.write_text(f"{create}    1 / 0\n")
    refused(start(SERVICE.replace(ROW, MIGRATED)))
    script.write_text(create)
    daemon = start(SERVICE.replace(ROW, MIGRATED), wait=True)
    [*_, last] = PackDbCommand(daemon).json("migrate", "status", "--json")
    assert last == {"name": "things/0001_a", "state": "applied"}


def test_a_database_from_a_newer_version_of_the_package_is_refused(
    start: Start, short_path: Path
) -> None:
    for name in ("0001_a", "0002_b"):
        (short_path / f"{name}.py").write_text("def up(migrator, db):\n    pass\n")
    start(SERVICE.replace(ROW, MIGRATED), wait=True).stop()
    os.remove(short_path / "0002_b.py")
    line = refused(start(SERVICE.replace(ROW, MIGRATED)))
    assert "the database was made by a newer things (it has 0002_b)" in line


@pytest.mark.parametrize(
    "arguments", [("call", "things.add"), ("call", "--help"), ("migrate", "up")]
)
def test_the_command_line_says_it_too(start: Start, arguments: tuple[str, ...]) -> None:
    daemon = start(SERVICE, wait=True)
    done = PackDbCommand(daemon).run(*arguments, SERVICE_FACTORY="nothing:Factory")
    assert done.returncode == 5
    assert done.stderr.startswith("pack-db: SERVICE_FACTORY: nothing:Factory: No module")
    assert done.stderr.count("\n") == 1
