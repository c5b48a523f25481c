"""`pack-db stubs` writes the asyncio twins of interfaces; nobody does by hand."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

from pack_db.interfaces.query import is_query
from tests.support.daemon_process import PATIENCE_S

FACTORY = """
from pack_db import ServiceFactory
from things.interface import Other, Things

class Factory(ServiceFactory):
    services = ServiceFactory.services | {"things": Things, "other": Other}
"""
INTERFACE = '''import abc
from abc import ABC, abstractmethod

from pack_db import query


class Things(abc.ABC):
    """Things — with a signature of each kind."""

    @abstractmethod
    def add(self, name: str = "Zoë:") -> int: ...

    # A comment.
    @abstractmethod
    @query
    def find(
        self,
        *,
        name: str,  # its name
        among: dict[str, "Thing"] | None = None,
    ) -> list[int]:  # of all
        """Raises: NotFound."""

    @abstractmethod
    def clear(self) -> None:
        return None

    def helper(self) -> int:
        return 1


class Thing: ...


class Other(ABC):
    @abstractmethod
    def touch(self) -> None: ...
'''


class Package:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.interface = directory / "things" / "interface.py"
        self.interface.parent.mkdir()
        (self.interface.parent / "factory.py").write_text(FACTORY)
        self.interface.write_text(INTERFACE)

    def stubs(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "pack_db_daemon", "stubs", *arguments],
            env={"PYTHONPATH": str(self.directory), "SERVICE_FACTORY": "things.factory:Factory"},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_a_twin_has_the_methods_of_its_interface_with_async(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = package.stubs("things")
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [
        ["AsyncThings", "written"],
        ["AsyncOther", "written"],
    ]
    monkeypatch.syspath_prepend(package.directory)
    module = importlib.import_module("things.interface")
    for name in ("Things", "Other"):
        interface, twin = getattr(module, name), getattr(module, f"Async{name}")
        assert interface.__abstractmethods__ == twin.__abstractmethods__
        assert list(vars(module)).index(name) < list(vars(module)).index(f"Async{name}")
        for method in interface.__abstractmethods__:
            one, other = getattr(interface, method), getattr(twin, method)
            assert inspect.signature(one) == inspect.signature(other)
            assert get_type_hints(one) == get_type_hints(other)
            assert is_query(one) == is_query(other)
            assert inspect.iscoroutinefunction(other)
            assert inspect.getsource(other).rstrip().endswith(": ...")
    assert not hasattr(module.AsyncThings, "helper")


def test_a_twin_is_written_once_and_again_when_its_interface_has_changed(package: Package) -> None:
    assert package.stubs("things", "--check").returncode == 1
    assert package.interface.read_text() == INTERFACE
    package.stubs("things")
    written = package.interface.read_text()
    again = package.stubs("things")
    assert (again.stdout.count(" current "), package.interface.read_text()) == (2, written)
    assert package.stubs("things", "--check").returncode == 0

    package.interface.write_text(written.replace("def touch(self)", "def touch(self, at: int)", 1))
    outdated = package.stubs("things", "--check")
    assert outdated.returncode == 1
    assert outdated.stderr == "Error: outdated; run: pack-db stubs things\n"
    package.stubs("things")
    assert package.interface.read_text().count("touch(self, at: int)") == 2


def test_a_twin_that_a_formatter_has_changed_is_current(package: Package) -> None:
    package.stubs("things")
    before = package.interface.read_text()
    options = ["--line-length", "40", "--isolated"]
    ruff = [sys.executable, "-m", "ruff", "format", *options, str(package.interface)]
    subprocess.run(ruff, check=True, capture_output=True)
    assert package.interface.read_text() != before
    assert package.stubs("things", "--check").returncode == 0


def test_what_cannot_have_a_twin_is_told(package: Package) -> None:
    source = INTERFACE.replace("class Other(ABC)", "class Other(Things)")
    package.interface.write_text(source)
    done = package.stubs("things")
    assert done.returncode == 5
    assert done.stderr.startswith("pack-db: things.interface.Other has no twin: it must be a class")

    done = package.stubs("thing")
    assert done.returncode == 2
    assert "no service's interface is from 'thing'" in done.stderr
    assert "are from pack_db, pack_db_client, things" in done.stderr


@pytest.mark.parametrize("own", ["pack_db", "pack_db_client"])
def test_the_twins_of_pack_db_are_current(own: str) -> None:
    command = [sys.executable, "-m", "pack_db_daemon", "stubs", own, "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout
