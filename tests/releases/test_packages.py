import email.message
import email.parser
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import pack_db
from tests.releases.conftest import ROOT, Build


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    [tree] = directory.iterdir()
    return tree


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_version_is_written_in_one_place(metadata: email.message.Message, sdist: Path) -> None:
    assert metadata["Version"] == pack_db.__version__
    assert sdist.name == f"pack_db-{pack_db.__version__}.tar.gz"
    sources = [
        path for name in ("pack_db", "client", "daemon") for path in (ROOT / name).rglob("*.py")
    ]
    for path in (ROOT / "pyproject.toml", *sources):
        if path != ROOT / "pack_db" / "__init__.py":
            assert f'"{pack_db.__version__}"' not in path.read_text(), path


def test_the_metadata_says_what_it_is(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "pack-db"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text()
    required = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert {"peewee>=4.5", "pyzmq>=26.2"} <= set(required)


def test_the_wheel_brings_the_command(wheel: Path) -> None:
    [entry_points] = [v for k, v in contents(wheel).items() if k.endswith("entry_points.txt")]
    assert b"pack-db = pack_db_daemon.cli.main:main" in entry_points


def test_the_sdist_has_what_a_packager_needs(unpacked: Path) -> None:
    for name in (
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "pyproject.toml",
        "Makefile",
        ".env.example",
        "docs/protocol.md",
        "docs/test-vectors.json",
        "examples/notes/pyproject.toml",
        "systemd/pack-db.service",
        "tests/conftest.py",
        "tests/data/pack-db-0.1.0.sql",
    ):
        assert (unpacked / name).is_file(), name


def test_the_sdist_has_nothing_that_was_only_lying_around(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            path = PurePosixPath(member.name)
            assert not {"__pycache__", "node_modules", ".git", ".venv", "site"} & set(path.parts)
            assert path.suffix not in {".db", ".pyc", ".sock"}, path


def test_the_wheel_made_from_the_sdist_is_the_same(
    build: Build, unpacked: Path, wheel: Path
) -> None:
    assert contents(build(unpacked, "wheel")) == contents(wheel)
