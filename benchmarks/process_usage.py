"""What the kernel knows of a running process (proc(5))."""

from pathlib import Path


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has no memory")


def cpu_seconds(pid: int) -> float:
    """Of all threads that live, to the nanosecond: /proc/PID/stat would count in 10 ms."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) / 1e9
        for task in Path(f"/proc/{pid}/task").iterdir()
    )
