"""Kills daemons again and again under the load of many clients, then checks what they saw."""

import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from tests.chaos.call_log import LoggedCall, Outcome, read_calls
from tests.chaos.client_processes import ClientProcesses
from tests.chaos.invariants import check
from tests.chaos.servers import Servers
from tests.support.daemon_process import DaemonProcess
from tests.support.postgres_server import PostgresPair

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
    overrun_s: float = 0.1  # of a call after its timeout, while its process could run


@dataclass(slots=True)
class Report:
    seed: int
    kills: int = 0
    events: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    lost: int = 0
    applied_twice: int = 0
    slowest_restart_s: float = 0.0
    interrupted: int = 0
    longest_overrun_s: float = 0.0
    longest_pause_s: float = 0.0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        others = ", ".join(f"{n} x {name}" for name, n in self.events.items())
        lines = [
            f"seed {self.seed}: {self.kills} kills of the daemon ({others})",
            f"calls: {', '.join(f'{self.outcomes[o]} {o}' for o in Outcome)}"
            f" ({self.interrupted} interrupted)",
            f"lost: {self.lost}, applied twice: {self.applied_twice}",
            f"slowest restart: {self.slowest_restart_s:.2f} s, "
            f"longest overrun of a timeout: {self.longest_overrun_s:.3f} s "
            f"(and {self.longest_pause_s:.3f} s in which the client's process did not run)",
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
    settings: dict[str, str] | None = None,
    pair: PostgresPair | None = None,
) -> Report:
    """Run until daemons were killed `kills` times with SIGKILL.

    Args:
        directory: empty, with a short path; database, sockets and logs go there.
        command: what to run instead of `pack-db serve`.
        settings: as for `DaemonProcess`.
        pair: two daemons share a database on it, and it has to suffer, too. By default there is
            one daemon with a file.
    """
    run = _Run(directory, seed, limits or Limits(), settings or {}, command, pair)
    return run.result(kills)


class _Run:
    def __init__(
        self,
        directory: Path,
        seed: int,
        limits: Limits,
        settings: dict[str, str],
        command: list[str] | None,
        pair: PostgresPair | None,
    ) -> None:
        self._directory = directory
        self._random = random.Random(seed)
        self._limits = limits
        self._report = Report(seed)
        self._servers = Servers(pair, self._random) if pair else None
        self._events = dict(_EVENTS)
        names = ["a"]
        if self._servers:
            settings = {"DB_URL": self._servers.url, **settings}
            self._events |= {"switch the clients": 10, **self._servers.EVENTS}
            names.append("b")
        self._daemons = [self._new_daemon(name, settings, command) for name in names]
        self._socket_path = directory / "s"  # of the clients: a link to that of a daemon
        self._socket_path.symlink_to(self._daemons[0].socket_path)
        self._clients = ClientProcesses(directory, self._socket_path)

    def result(self, kills: int) -> Report:
        try:
            for daemon in self._daemons:
                daemon.start()
            with self._clients.running(self._report.violations):
                while self._report.kills < kills:
                    time.sleep(self._random.uniform(0.0, 0.2))
                    self._do(*self._random.choices(list(self._events), list(self._events.values())))
            self._check_calls()
            for daemon in self._daemons:
                self._stop(daemon)
            if self._servers is None:
                self._check_file()
        finally:
            for daemon in self._daemons:
                daemon.clean_up()
        return self._report

    def _new_daemon(
        self, name: str, settings: dict[str, str], command: list[str] | None
    ) -> DaemonProcess:
        directory = self._directory / name
        directory.mkdir()
        return DaemonProcess(directory, settings, command)

    def _do(self, event: str) -> None:
        daemon = self._random.choice(self._daemons)
        match event:
            case "kill":
                self._kill(daemon)
                if self._random.random() < 0.5:
                    self._switch_clients()
                self._restart(daemon)
            case "kill while starting":
                self._kill(daemon)
                daemon.start(wait=False)
                time.sleep(self._random.uniform(0.0, 0.2))
                self._kill(daemon)
                self._restart(daemon)
            case "terminate":
                self._stop(daemon)
                self._restart(daemon)
            case "stop for a while":
                daemon.send_signal(signal.SIGSTOP)
                time.sleep(self._random.uniform(0.1, 1.0))
                daemon.send_signal(signal.SIGCONT)
            case "kill a client":
                self._clients.replace_one(self._random)
            case "switch the clients":
                self._switch_clients()
            case _:
                assert self._servers is not None
                self._servers.do(event)
        self._report.events[event] += 1

    def _kill(self, daemon: DaemonProcess) -> None:
        daemon.kill()
        self._report.kills += 1

    def _stop(self, daemon: DaemonProcess) -> None:
        if (status := daemon.stop()) != 0:
            self._report.violations.append(f"the daemon ended with {status} on SIGTERM")

    def _restart(self, daemon: DaemonProcess) -> None:
        started = time.monotonic()
        daemon.start()
        with daemon.client() as db:
            db.ping()
        elapsed_s = time.monotonic() - started
        self._report.slowest_restart_s = max(self._report.slowest_restart_s, elapsed_s)
        if elapsed_s > self._limits.restart_s:
            self._report.violations.append(f"a restart took {elapsed_s:.2f} s")

    def _switch_clients(self) -> None:
        """Let them connect to any of the daemons the next time they have to."""
        new = self._directory / "new"
        new.symlink_to(self._random.choice(self._daemons).socket_path)
        new.replace(self._socket_path)

    def _check_calls(self) -> None:
        calls: list[LoggedCall] = []
        for path in self._directory.glob("*.calls"):
            calls += read_calls(path)
        with self._daemons[0].client() as db:
            findings = check(
                db, calls, self._limits.overrun_s, has_servers=self._servers is not None
            )
        self._report.lost = findings.lost
        self._report.applied_twice = findings.applied_twice
        self._report.violations += findings.violations
        self._report.outcomes.update(call.outcome for call in calls)
        self._report.interrupted = sum(call.is_interrupted for call in calls)
        self._report.longest_overrun_s = max(call.overrun_s for call in calls)
        self._report.longest_pause_s = max(call.paused_s for call in calls)

    def _check_file(self) -> None:
        connection = apsw.Connection(str(self._daemons[0].database_path))
        try:
            if (verdict := connection.pragma("integrity_check")) != "ok":
                self._report.violations.append(f"integrity_check: {verdict}")
            if (broken := connection.pragma("foreign_key_check")) is not None:
                self._report.violations.append(f"foreign_key_check: {broken}")
        finally:
            connection.close()
