import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from pack_db.errors import StorageMoved
from pack_db.impls.open_files import OpenFiles


def in_a_minute() -> int:
    return time.time_ns() + 60 * 10**9


def wait_for_a_tick(directory: Path) -> None:
    """Until a change of `directory` gets another time than its last one."""
    for number in count():
        probe = directory.parent / f"probe-{number}"
        probe.touch()
        if probe.stat().st_ctime_ns > directory.stat().st_ctime_ns:
            return


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "directory" / "pack.db"
    path.parent.mkdir()
    path.touch()
    path.with_name("pack.db-wal").touch()
    return path


@pytest.mark.parametrize("clock_ns", [time.time_ns, in_a_minute])
@pytest.mark.parametrize("name", ["pack.db", "pack.db-wal"])
def test_a_moved_file_is_noticed_however_long_the_directory_was_quiet(
    path: Path, name: str, clock_ns: Callable[[], int]
) -> None:
    files = OpenFiles(path, clock_ns)
    for _ in range(3):
        files.check()
    wait_for_a_tick(path.parent)
    moved = path.with_name(name)
    moved.rename(path.with_name("moved"))
    for _ in range(3):
        with pytest.raises(StorageMoved, match=str(moved)):
            files.check()
    path.with_name("moved").rename(moved)
    files.check()
    files.close()


@pytest.mark.parametrize("clock_ns", [time.time_ns, in_a_minute])
def test_a_directory_that_is_another_now_is_noticed(
    path: Path, clock_ns: Callable[[], int]
) -> None:
    files = OpenFiles(path, clock_ns)
    files.check()
    os.rename(path.parent, path.parent.with_name("moved"))
    with pytest.raises(StorageMoved, match="is gone"):
        files.check()
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StorageMoved, match="is another file now"):
        files.check()
    files.close()


def test_other_files_come_and_go(path: Path) -> None:
    files = OpenFiles(path, in_a_minute)
    other = path.with_name("other")
    for _ in range(3):
        files.check()
        other.touch()
        files.check()
        other.unlink()
    files.check()
    files.close()
