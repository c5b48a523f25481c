import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.adapter import Adapter
from benchmarks.checks import WrongAnswer
from benchmarks.client_process import Caller, Calls, ClientProcess
from benchmarks.processes import cpu_seconds, memory_mib
from benchmarks.results import PERCENTILES, Measurement
from benchmarks.workload import Load, Operation

_PATIENCE_S = 60.0
_CONSUMED_BY_EACH = 25
_LOG_TAIL = 1500  # characters
_HEAD_START_S = 0.1
_WARM_UP_S = 0.3
_CALLS = 10_000  # of each of two operations
_SETTLE_S, _IDLE_S = 2.0, 10.0


class Cell:
    """One peer under one load: fresh data, a fresh server and its clients, for as long as the
    `with` block lasts. An exception that leaves it has the end of the server's log as a note."""

    def __init__(self, peer: type[Adapter], load: Load, directory: Path) -> None:
        self._load = load
        self._directory = Path(tempfile.mkdtemp(prefix="", dir=directory))
        self._directory.chmod(0o755)  # PostgreSQL runs as another user
        self._adapter = peer(self._directory)
        self._server_pids: list[int] = []
        self._clients: list[ClientProcess] = []
        self._stack = ExitStack()

    def measure(self, operation: Operation, seconds: float) -> Measurement:
        if self._load.is_timed:
            return self.measure_each({operation: len(self._clients)}, seconds)[operation]
        calls = self._clients[0].ask(
            seconds + _PATIENCE_S,
            Caller.keep_in_flight,
            self._load,
            operation,
            _WARM_UP_S,
            seconds,
        )
        return Measurement(calls_per_s=calls.answered / seconds, errors=dict(calls.errors))

    def measure_each(
        self, clients: Mapping[Operation, int], seconds: float
    ) -> dict[Operation, Measurement]:
        """One call after the other, by so many clients of each operation at once."""
        operations = [operation for operation, count in clients.items() for _ in range(count)]
        callers = list(zip(operations, self._clients, strict=False))
        start_at = time.monotonic() + _HEAD_START_S
        for operation, client in callers:
            client.tell(Caller.time_calls, operation, start_at, _WARM_UP_S, seconds)
        time.sleep(max(0.0, start_at + _WARM_UP_S - time.monotonic()))
        cpu_s = cpu_seconds(self._server_pids)
        time.sleep(max(0.0, start_at + _WARM_UP_S + seconds - time.monotonic()))
        cpu_s = cpu_seconds(self._server_pids) - cpu_s
        made = [(operation, client.answer(_PATIENCE_S)) for operation, client in callers]
        return {
            operation: _measurement(
                [calls for made_of, calls in made if made_of is operation],
                seconds,
                cpu_s if len(clients) == 1 else None,
            )
            for operation in clients
        }

    def footprint(self) -> tuple[float, float]:
        """Memory in MiB after 20,000 calls, and the share of a CPU that is taken while idle."""
        for operation in (Operation.GET, Operation.CONSUME):
            self._clients[0].ask(10 * _PATIENCE_S, Caller.call, operation, _CALLS)
        memory = memory_mib(self._server_pids)
        time.sleep(_SETTLE_S)
        cpu_s = cpu_seconds(self._server_pids)
        time.sleep(_IDLE_S)
        return memory, (cpu_seconds(self._server_pids) - cpu_s) / _IDLE_S

    def __enter__(self) -> Self:
        self._stack.callback(shutil.rmtree, self._directory, ignore_errors=True)
        try:
            self._start()
        except BaseException as exc:
            exc.add_note(self._log_tail())
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is not None:
            exc.add_note(self._log_tail())
        self._stack.close()

    def _start(self) -> None:
        self._server_pids = self._stack.enter_context(self._adapter.served())
        seed = random.getrandbits(60)
        for number in range(self._load.processes):
            client = ClientProcess(self._adapter, seed + number)
            self._stack.callback(client.kill)
            self._clients.append(client)
        for client in self._clients:
            client.tell(Caller.connect)
        for client in self._clients:
            client.answer(_PATIENCE_S)
        if Operation.CONSUME in self._adapter.operations:
            self._clients[0].ask(_PATIENCE_S, Caller.check)
            self._check_that_consuming_is_atomic()

    def _log_tail(self) -> str:
        path = self._adapter.log_path
        return path.read_text(errors="replace")[-_LOG_TAIL:] if path.exists() else ""

    def _check_that_consuming_is_atomic(self) -> None:
        first = self._clients[0]
        before = first.ask(_PATIENCE_S, Caller.tokens_left)
        for client in self._clients:
            client.tell(Caller.consume, _CONSUMED_BY_EACH)
        for client in self._clients:
            client.answer(_PATIENCE_S)
        taken = before - first.ask(_PATIENCE_S, Caller.tokens_left)
        calls = _CONSUMED_BY_EACH * len(self._clients)
        if taken != calls:
            raise WrongAnswer(f"{calls} calls of consume took {taken} tokens")


def _measurement(made: list[Calls], seconds: float, server_cpu_s: float | None) -> Measurement:
    latencies_ns = sorted(latency for calls in made for latency in calls.latencies_ns)
    errors: Counter[str] = Counter()
    for calls in made:
        errors.update(calls.errors)
    last = len(latencies_ns) - 1
    cpu_us = None
    if server_cpu_s is not None and latencies_ns:
        cpu_us = (server_cpu_s + sum(c.cpu_s for c in made)) / len(latencies_ns) * 1e6
    return Measurement(
        calls_per_s=len(latencies_ns) / seconds,
        percentiles_us={p: latencies_ns[last * p // 100] / 1e3 for p in PERCENTILES}
        if latencies_ns
        else {},
        cpu_us=cpu_us,
        errors=dict(errors),
    )
