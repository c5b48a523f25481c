"""The machine and the versions that figures belong to, and how quiet the machine is."""

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from benchmarks.adapter import Adapter

_SYNCS = 200
_PAGE = bytes(4120)  # a page of SQLite and the WAL's header of it, as one small commit writes
_BUSY_FROM = 0.1
_LOOK_S = 0.3


def environment(peers: Iterable[type[Adapter]], directory: Path) -> dict[str, str]:
    found = {
        "cpu": _cpu(),
        "cpus": str(os.cpu_count()),
        "kernel": platform.release(),
        "fdatasync_p50_us": f"{_fdatasync_p50_us(directory):.0f}",
        "python": platform.python_version(),
        "sqlite3": sqlite3.sqlite_version,
    }
    for peer in peers:
        found |= peer.versions()
    return found


def is_busy(others_busy: float) -> bool:
    """Whether others took so much of the CPUs that figures taken beside them are doubtful."""
    return others_busy > _BUSY_FROM


def others_busy(patience_s: float) -> float:
    """Share of all CPU time that is taken while nothing is measured.

    Args:
        patience_s: seconds to wait for a quiet moment.
    """
    give_up = time.monotonic() + patience_s
    while is_busy(busy := _busy()) and time.monotonic() < give_up:
        time.sleep(_LOOK_S)
    return busy


def _busy() -> float:
    total_before, idle_before = _ticks()
    time.sleep(_LOOK_S)
    total, idle = _ticks()
    return 1 - (idle - idle_before) / max(1, total - total_before)


def _ticks() -> tuple[int, int]:
    """All, and those idle or waiting for a disk (proc(5), /proc/stat)."""
    first_line = Path("/proc/stat").read_text().partition("\n")[0]
    ticks = [int(text) for text in first_line.split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _fdatasync_p50_us(directory: Path) -> float:
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_SYNCS):
            os.write(file.fileno(), _PAGE)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took) * 1e6
