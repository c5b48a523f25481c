import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from types import TracebackType
from typing import Self

from benchmarks import child_processes
from benchmarks.adapter import Adapter
from benchmarks.checks import WrongAnswer
from benchmarks.client_process import Caller, ClientProcess
from benchmarks.percentiles import percentiles_us
from benchmarks.results import Measurement
from benchmarks.workload import Durability, Operation, Shape

_PATIENCE_S = 60.0
_CONSUMED_BY_EACH = 25
_LOG_TAIL = 1500  # characters
_HEAD_START_S = 0.1


class Cell:
    """One peer at one durability under one shape of load: a fresh server on fresh data, and its
    clients, for as long as the `with` block lasts."""

    def __init__(
        self,
        peer: Callable[[Path, Durability], Adapter],
        durability: Durability,
        shape: Shape,
        directory: Path,
    ) -> None:
        self._shape = shape
        self._directory = Path(tempfile.mkdtemp(prefix="", dir=directory))
        self._directory.chmod(0o755)  # PostgreSQL runs as another user
        self._adapter = peer(self._directory, durability)
        self._log_path = self._directory / "log"
        self._server: Popen[bytes] | None = None
        self._clients: list[ClientProcess] = []
        self.log_tail = ""  # the end of what the server wrote, once it has ended

    @property
    def ways(self) -> list[str]:
        return list(self._adapter.ways())

    def measure(
        self, operation: Operation, way: str | None, warm_up_s: float, seconds: float
    ) -> Measurement:
        if way is None:
            return self._measure_each(operation, warm_up_s, seconds)
        answered, errors = self._clients[0].ask(
            seconds + _PATIENCE_S, Caller.keep_in_flight, way, operation, warm_up_s, seconds
        )
        return Measurement(calls_per_s=answered / seconds, percentiles_us=[], errors=dict(errors))

    def _measure_each(self, operation: Operation, warm_up_s: float, seconds: float) -> Measurement:
        start_at = time.monotonic() + _HEAD_START_S
        for client in self._clients:
            client.tell(Caller.time_calls, operation, start_at, warm_up_s, seconds)
        latencies_ns: list[int] = []
        errors: Counter[str] = Counter()
        for client in self._clients:
            made = client.answer(seconds + _PATIENCE_S)
            latencies_ns.extend(made.latencies_ns)
            errors.update(made.errors)
        return Measurement(
            calls_per_s=len(latencies_ns) / seconds,
            percentiles_us=percentiles_us(latencies_ns),
            errors=dict(errors),
        )

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        self._adapter.prepare()
        command = self._adapter.command()
        if command is not None:
            options = self._adapter.popen_options()
            with self._log_path.open("wb") as log:
                self._server = child_processes.start(command, log, options)
            self._adapter.wait_until_ready(self._server)
        seed = random.getrandbits(60)
        for number in range(self._shape.processes):
            self._clients.append(ClientProcess(self._adapter, seed + number))
        for client in self._clients:
            client.tell(Caller.connect)
        for client in self._clients:
            client.answer(_PATIENCE_S)
        if Operation.CONSUME in self._adapter.operations:
            self._clients[0].ask(_PATIENCE_S, Caller.check)
            self._check_that_consuming_is_atomic()

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

    def _stop(self) -> None:
        for client in self._clients:
            client.kill()
        if self._server is not None:
            child_processes.stop(self._server, self._adapter.stop_signal)
            self.log_tail = self._log_path.read_text(errors="replace")[-_LOG_TAIL:]
        shutil.rmtree(self._directory, ignore_errors=True)
