"""The machine and the versions that figures belong to."""

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
