"""What the kernel knows of running processes and their children (proc(5))."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of all threads that live, to the nanosecond: /proc/PID/stat would count in 10 ms."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) / 1e9
        for pid in _with_children(pids)
        for task in Path(f"/proc/{pid}/task").iterdir()
    )


def memory_mib(pids: Iterable[int]) -> float:
    """What they hold; of what several share, each its part."""
    return sum(
        int(line.split()[1]) / 1024
        for pid in _with_children(pids)
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )


def _with_children(pids: Iterable[int]) -> set[int]:
    found, unseen = set(pids), list(pids)
    while unseen:
        for task in Path(f"/proc/{unseen.pop()}/task").iterdir():
            with suppress(FileNotFoundError):
                new = {int(pid) for pid in (task / "children").read_text().split()} - found
                found |= new
                unseen += new
    return found
