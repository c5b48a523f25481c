import os
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from pack_db.errors import StorageMoved
from pack_db.impls.sqlite.open_files import OpenFiles


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
        files.check_if_changed()
    wait_for_a_tick(path.parent)
    moved = path.with_name(name)
    moved.rename(path.with_name("moved"))
    for _ in range(3):
        with pytest.raises(StorageMoved, match=str(moved)):
            files.check_if_changed()
    path.with_name("moved").rename(moved)
    files.check_if_changed()
    files.close()


@pytest.mark.parametrize("clock_ns", [time.time_ns, in_a_minute])
def test_a_directory_that_is_another_now_is_noticed(
    path: Path, clock_ns: Callable[[], int]
) -> None:
    files = OpenFiles(path, clock_ns)
    files.check_if_changed()
    os.rename(path.parent, path.parent.with_name("moved"))
    with pytest.raises(StorageMoved, match="is gone"):
        files.check_if_changed()
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StorageMoved, match="is another file now"):
        files.check_if_changed()
    files.close()


@pytest.mark.parametrize(
    ("age_s", "looks"), [(0.5, 6), (2.5, 6), (4, 2)], ids=lambda value: str(value)
)
def test_names_are_looked_at_again_while_the_directory_may_change_and_keep_its_time(
    path: Path, age_s: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names each time; a file system may count time in steps of two seconds."""
    changed_ns = path.parent.stat().st_ctime_ns
    files = OpenFiles(path, lambda: changed_ns + int(age_s * 1e9))
    looked: list[str] = []
    readlink = os.readlink

    def counted(link: str) -> str:
        looked.append(link)
        return readlink(link)

    monkeypatch.setattr(os, "readlink", counted)
    for _ in range(3):
        files.check_if_changed()
    assert len(looked) == looks
    files.check()
    assert len(looked) == looks + 2
    files.close()


def test_a_moved_file_stays_noticed_where_a_directory_keeps_no_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = OpenFiles(path, in_a_minute)
    files.check()
    monkeypatch.setattr(os, "readlink", lambda link: "elsewhere")
    files.check_if_changed()
    for check in (files.check, files.check_if_changed, files.check_if_changed):
        with pytest.raises(StorageMoved):
            check()
    files.close()


@pytest.mark.parametrize("clock_ns", [time.time_ns, in_a_minute])
def test_a_link_that_points_elsewhere_now_is_noticed(
    path: Path, clock_ns: Callable[[], int]
) -> None:
    link = path.parent.with_name("current.db")
    link.symlink_to(path)
    files = OpenFiles(path, clock_ns, link)
    files.check_if_changed()
    other = path.with_name("other")
    other.touch()
    link.unlink()
    link.symlink_to(other)
    for check in (files.check_if_changed, files.check):
        with pytest.raises(StorageMoved, match=str(link)):
            check()
    files.close()


def test_other_files_come_and_go(path: Path) -> None:
    files = OpenFiles(path, in_a_minute)
    other = path.with_name("other")
    for _ in range(3):
        files.check_if_changed()
        other.touch()
        files.check_if_changed()
        other.unlink()
    files.check_if_changed()
    files.close()
