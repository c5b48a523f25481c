import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from pack_db.config import Config
from pack_db.errors import NoDaemon
from pack_db_client.transport.unavailable import why_unavailable
from pack_db_daemon.cli.common.progress import progress_in_steps
from pack_db_daemon.cli.measuring import bench_loads as loads
from pack_db_daemon.cli.measuring.bench_loads import QUERY, WRITE, Place

_CLIENTS = 8
_IN_FLIGHT = 64
_START_S = 30.0
_PROCESSES = get_context("spawn")  # libzmq does not work in a forked child

_LOADS: dict[str, tuple[Callable[..., list[int]], tuple[int, ...], int]] = {
    # callers: the load, its own arguments, how many processes run it at once
    "in process": (loads.repository, (), 1),
    "1 client": (loads.one_client, (), 1),
    f"{_CLIENTS} clients": (loads.one_client, (), _CLIENTS),
    f"asyncio, {_IN_FLIGHT} in flight": (loads.tasks_of_one_client, (_IN_FLIGHT,), 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    method: str
    callers: str
    calls_per_second: int
    p50_us: float  # microseconds
    p99_us: float
    of_echo: float  # calls a second, as a part of those of a raw ZeroMQ echo with one client
    of_in_process: float  # ... and of the same method of the repository, without a socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    up_to_us: float  # microseconds, twice those of the bucket before
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    directory: str  # whose disk was measured
    echoes_per_second: int
    rates: list[Rate]
    latencies: list[Bucket]  # of one client's writes


def measure(seconds: float) -> Benchmark:
    """Run each load for so long.

    Raises:
        NoDaemon: the daemon to be measured did not start.
    """
    with (
        _directories() as place,
        _daemon(place),
        _echo_server(place),
        _pool() as pool,
    ):
        return _measure(pool, place, seconds)


def _measure(pool: ProcessPoolExecutor, place: Place, seconds: float) -> Benchmark:
    def run(load: Callable[..., list[int]], processes: int, *arguments: Any) -> list[int]:
        running = [pool.submit(load, place, *arguments) for _ in range(processes)]
        return sorted(took for future in running for took in future.result())

    rates: list[Rate] = []
    latencies: list[Bucket] = []
    steps = 1 + 2 * len(_LOADS)
    with progress_in_steps() as progress:
        progress("measuring an echo", 0, steps)
        echoes = len(run(loads.echo_client, 1, seconds))
        for method in (WRITE, QUERY):
            in_process = 0
            for callers, (load, arguments, processes) in _LOADS.items():
                progress(f"measuring {method}, {callers}", 1 + len(rates), steps)
                took_ns = run(load, processes, method, seconds, *arguments)
                in_process = in_process or len(took_ns)
                if (method, callers) == (WRITE, "1 client"):
                    latencies = _buckets(took_ns)
                rates.append(
                    Rate(
                        method=method,
                        callers=callers,
                        calls_per_second=round(len(took_ns) / seconds),
                        p50_us=took_ns[len(took_ns) // 2] / 1000,
                        p99_us=took_ns[len(took_ns) * 99 // 100] / 1000,
                        of_echo=round(len(took_ns) / echoes, 2),
                        of_in_process=round(len(took_ns) / in_process, 2),
                    )
                )
    return Benchmark(
        directory=str(place.database_path.parent.parent),
        echoes_per_second=round(echoes / seconds),
        rates=rates,
        latencies=latencies,
    )


def _buckets(took_ns: list[int]) -> list[Bucket]:
    counts = Counter((took // 1000).bit_length() for took in took_ns)
    return [
        Bucket(up_to_us=float(2**bits), calls=counts[bits])
        for bits in range(min(counts), max(counts) + 1)
    ]


@contextmanager
def _directories() -> Iterator[Place]:
    beside = Config().database_path.parent
    disk = beside if os.access(beside, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="pack-db-bench-", dir=disk) as database,
        # A socket's path has 107 bytes at most.
        tempfile.TemporaryDirectory(prefix="pack-db-") as sockets,
    ):
        yield Place(
            database_path=Path(database, "bench.db"),
            socket_path=Path(sockets, "daemon"),
            echo_path=Path(sockets, "echo"),
        )


@contextmanager
def _daemon(place: Place) -> Iterator[None]:
    settings = {
        "DB_PATH": str(place.database_path),
        "DB_URL": "",  # a server that is set is not the one to be filled
        "ZMQ_SOCKET_PATH": str(place.socket_path),
        "LOG_LEVEL": "WARNING",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "pack_db_daemon", "serve"],
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which ends that one
    ) as process:
        try:
            give_up = time.monotonic() + _START_S
            while why_unavailable(place.socket_path) is not None:
                if process.poll() is not None or time.monotonic() > give_up:
                    raise NoDaemon("the daemon to be measured did not start; see above why")
                time.sleep(0.01)
            yield
        finally:
            process.terminate()


@contextmanager
def _pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(_CLIENTS, mp_context=_PROCESSES) as pool:
        with _ctrl_c_ignored():
            # As long as each of them is busy, another one is started; so all are.
            started = [pool.submit(loads.be_busy) for _ in range(_CLIENTS)]
        try:
            for process in started:
                process.result()
            yield pool
        except BaseException:
            for child in active_children():
                child.terminate()
            raise


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    # Children that are started meanwhile inherit it; this process ends them when it is interrupted.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _echo_server(place: Place) -> Iterator[None]:
    server = _PROCESSES.Process(target=loads.serve_echo, args=(place,))
    with _ctrl_c_ignored():
        server.start()
    try:
        yield
    finally:
        server.terminate()
        server.join()
