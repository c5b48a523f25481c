"""Kills a daemon again and again under the load of many clients, then checks what they saw."""

import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import apsw

from tests.chaos.call_log import LoggedCall, Outcome, read_calls
from tests.chaos.client_process import TASKS, run_async_client, run_client
from tests.chaos.invariants import check
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

_SYNC_CLIENTS = 5
_ASYNC_CLIENTS = 3
_EVENTS = {
    "kill": 76,
    "kill while starting": 6,
    "terminate": 6,
    "stop for a while": 7,
    "kill a client": 5,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What may take how long; a loaded machine needs more than an idle one."""

    restart_s: float = 1.0
    overrun_s: float = 0.2  # of a call, after its timeout


@dataclass(slots=True)
class Report:
    seed: int
    kills: int = 0
    events: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    lost: int = 0
    applied_twice: int = 0
    slowest_restart_s: float = 0.0
    longest_overrun_s: float = 0.0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        others = ", ".join(f"{n} x {name}" for name, n in self.events.items())
        lines = [
            f"seed {self.seed}: {self.kills} kills of the daemon ({others})",
            f"calls: {', '.join(f'{self.outcomes[o]} {o}' for o in Outcome)}",
            f"lost: {self.lost}, applied twice: {self.applied_twice}",
            f"slowest restart: {self.slowest_restart_s:.2f} s, "
            f"longest overrun of a timeout: {self.longest_overrun_s:.3f} s",
            f"violations: {len(self.violations)}",
        ]
        return "\n".join(lines + [f"  {text}" for text in self.violations[:20]])


def run(
    directory: Path,
    *,
    kills: int,
    seed: int,
    command: list[str] | None = None,
    limits: Limits | None = None,
) -> Report:
    """Run until the daemon was killed `kills` times with SIGKILL.

    Args:
        directory: empty, with a short path; database, socket and logs go there.
        command: what to run instead of `pack-db serve`.
    """
    return _Run(directory, seed, command, limits or Limits()).result(kills)


@dataclass(frozen=True, slots=True)
class _Client:
    process: BaseProcess
    log_path: Path

    def wait_until_it_runs(self) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not self.log_path.exists():
            if not self.process.is_alive() or time.monotonic() > give_up:
                raise RuntimeError(f"{self.process.name} does not start")
            time.sleep(0.005)


class _Run:
    def __init__(
        self, directory: Path, seed: int, command: list[str] | None, limits: Limits
    ) -> None:
        self._directory = directory
        self._daemon = DaemonProcess(directory, command=command)
        self._random = random.Random(seed)
        self._limits = limits
        self._report = Report(seed)
        self._clients: list[_Client] = []
        self._next_number = 0

    def result(self, kills: int) -> Report:
        self._daemon.start()
        try:
            with self._running_clients():
                while self._report.kills < kills:
                    time.sleep(self._random.uniform(0.0, 0.2))
                    self._do(*self._random.choices(list(_EVENTS), list(_EVENTS.values())))
            self._check_calls()
            self._stop()
            self._check_file()
        finally:
            self._daemon.clean_up()
        return self._report

    def _do(self, event: str) -> None:
        match event:
            case "kill":
                self._kill()
                self._restart()
            case "kill while starting":
                self._kill()
                self._daemon.start(wait=False)
                time.sleep(self._random.uniform(0.0, 0.2))
                self._kill()
                self._restart()
            case "terminate":
                self._stop()
                self._restart()
            case "stop for a while":
                self._daemon.send_signal(signal.SIGSTOP)
                time.sleep(self._random.uniform(0.1, 1.0))
                self._daemon.send_signal(signal.SIGCONT)
            case "kill a client":
                self._replace_client(self._random.randrange(len(self._clients)))
        self._report.events[event] += 1

    def _kill(self) -> None:
        self._daemon.kill()
        self._report.kills += 1

    def _stop(self) -> None:
        if (status := self._daemon.stop()) != 0:
            self._report.violations.append(f"the daemon ended with {status} on SIGTERM")

    def _restart(self) -> None:
        started = time.monotonic()
        self._daemon.start()
        with self._daemon.client() as db:
            db.ping()
        elapsed_s = time.monotonic() - started
        self._report.slowest_restart_s = max(self._report.slowest_restart_s, elapsed_s)
        if elapsed_s > self._limits.restart_s:
            self._report.violations.append(f"a restart took {elapsed_s:.2f} s")

    @contextmanager
    def _running_clients(self) -> Iterator[None]:
        for n in range(_SYNC_CLIENTS + _ASYNC_CLIENTS):
            self._clients.append(self._start_client(is_async=n >= _SYNC_CLIENTS))
        try:
            self._wait_for_clients()
            yield
            self._wait_for_clients()  # one that was just replaced could not stop cleanly yet
        finally:
            for client in self._clients:
                client.process.terminate()
            for process in [client.process for client in self._clients]:
                process.join(PATIENCE_S)
                if process.exitcode != 0:
                    self._report.violations.append(f"{process.name} ended with {process.exitcode}")
                    process.kill()

    def _wait_for_clients(self) -> None:
        for client in self._clients:
            client.wait_until_it_runs()

    def _start_client(self, *, is_async: bool) -> _Client:
        number = self._next_number
        self._next_number += TASKS
        log_path = self._directory / f"{number}.calls"
        process = multiprocessing.get_context("spawn").Process(
            target=run_async_client if is_async else run_client,
            args=(self._daemon.socket_path, log_path, number),
            name=f"{'async' if is_async else 'sync'} client {number}",
        )
        process.start()
        return _Client(process, log_path)

    def _replace_client(self, index: int) -> None:
        self._clients[index].process.kill()
        self._clients[index].process.join()
        self._clients[index] = self._start_client(is_async=index >= _SYNC_CLIENTS)

    def _check_calls(self) -> None:
        calls: list[LoggedCall] = []
        for path in self._directory.glob("*.calls"):
            calls += read_calls(path)
        with self._daemon.client() as db:
            findings = check(db, calls, self._limits.overrun_s)
        self._report.lost = findings.lost
        self._report.applied_twice = findings.applied_twice
        self._report.violations += findings.violations
        self._report.outcomes.update(call.outcome for call in calls)
        self._report.longest_overrun_s = max(call.overrun_s for call in calls)

    def _check_file(self) -> None:
        connection = apsw.Connection(str(self._daemon.database_path))
        try:
            if (verdict := connection.pragma("integrity_check")) != "ok":
                self._report.violations.append(f"integrity_check: {verdict}")
            if (broken := connection.pragma("foreign_key_check")) is not None:
                self._report.violations.append(f"foreign_key_check: {broken}")
        finally:
            connection.close()
