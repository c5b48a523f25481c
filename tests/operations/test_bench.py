import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.pack_db_command import PACK_DB

CALLERS = ["in process", "1 client", "8 clients", "asyncio, 64 in flight"]
METHODS = ["tokens.consume_tokens", "tokens.get_balance"]


@contextmanager
def started(directory: Path, *options: str) -> "Iterator[subprocess.Popen[str]]":
    """Start it as a shell does, in a process group that gets a Ctrl-C together."""
    with subprocess.Popen(
        [*PACK_DB, "bench", *options],
        env=DaemonProcess(directory).environment | {"TMPDIR": str(directory)},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        encoding="utf-8",
    ) as bench:
        try:
            yield bench
        finally:
            with suppress(ProcessLookupError):  # it has ended, as it should
                os.killpg(bench.pid, signal.SIGKILL)


def test_each_load_is_measured_and_compared_and_nothing_is_left(short_path: Path) -> None:
    with started(short_path, "--seconds", "0.1", "--json") as bench:
        shown, complaints = bench.communicate(timeout=4 * PATIENCE_S)
    assert (bench.returncode, complaints) == (0, "")
    result = json.loads(shown)
    assert result["directory"] == str(short_path)
    assert result["echoes_per_second"] > 0
    assert [(r["method"], r["callers"]) for r in result["rates"]] == [
        (method, callers) for method in METHODS for callers in CALLERS
    ]
    for rate in result["rates"]:
        assert 0 < rate["p50_us"] <= rate["p99_us"]
        assert rate["calls_per_second"] > 0
        ratio = rate["calls_per_second"] / result["echoes_per_second"]
        assert abs(rate["of_echo"] - ratio) < 0.01 + 0.01 * ratio
    assert [r["of_in_process"] for r in result["rates"] if r["callers"] == "in process"] == [1, 1]
    assert sum(bucket["calls"] for bucket in result["latencies"]) > 0
    assert list(short_path.iterdir()) == []


def test_people_see_the_latencies_as_a_histogram(short_path: Path) -> None:
    with started(short_path, "--seconds", "0.1") as bench:
        shown, _ = bench.communicate(timeout=4 * PATIENCE_S)
    bars = [line for line in shown.splitlines() if "█" in line]
    assert max(line.count("█") for line in bars) == 40


def test_an_interrupted_measurement_leaves_nothing(short_path: Path) -> None:
    with started(short_path, "--seconds", "600") as bench:
        while not list(short_path.glob("pack-db-*/echo")):
            assert bench.poll() is None
        os.killpg(bench.pid, signal.SIGINT)
        shown, complaints = bench.communicate(timeout=4 * PATIENCE_S)
    assert (bench.returncode, shown, complaints.strip()) == (130, "", "")
    assert list(short_path.iterdir()) == []
