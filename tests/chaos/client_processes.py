import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.chaos import clients, rough_clients
from tests.chaos.clients import NUMBERS, Client, Setting
from tests.chaos.workload import ENOUGH_S
from tests.support.daemon_process import PATIENCE_S

_CLIENTS: tuple[Client, ...] = (
    clients.one_after_the_other,
    clients.one_after_the_other,
    clients.threads,
    clients.asyncio_tasks,
    rough_clients.dropping,
    rough_clients.forking,
    rough_clients.signalled,
    rough_clients.cancelling,
    rough_clients.one_loop_after_another,
)


@dataclass(frozen=True, slots=True)
class _Running:
    client: Client
    process: BaseProcess
    log_path: Path

    def wait_until_it_runs(self) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not self.log_path.exists():
            if not self.process.is_alive() or time.monotonic() > give_up:
                raise RuntimeError(f"{self.process.name} does not start")
            time.sleep(0.005)

    def kill(self) -> None:
        """It, and what it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.kill()
        self.process.join()


class ClientProcesses:
    """One or more of each kind of client; their calls are in `*.calls` of the directory."""

    def __init__(self, directory: Path, socket_path: Path) -> None:
        self._directory = directory
        self._socket_path = socket_path
        self._running: list[_Running] = []
        self._next_number = 0

    @contextmanager
    def running(self, violations: list[str]) -> Iterator[None]:
        """While the block runs; one that then does not end by itself, or fails, is noted."""
        try:
            for client in _CLIENTS:
                self._running.append(self._start(client))
            self._wait_until_they_run()
            yield
            self._wait_until_they_run()  # one that was just replaced could not stop cleanly yet
        finally:
            for running in self._running:
                running.process.terminate()
            give_up = time.monotonic() + ENOUGH_S + PATIENCE_S
            for running in self._running:
                running.process.join(max(0.0, give_up - time.monotonic()))
                if (status := running.process.exitcode) != 0:
                    how = "hangs" if status is None else f"ended with {status}"
                    violations.append(f"the client {running.process.name} {how}")
                running.kill()

    def replace_one(self, chance: random.Random) -> None:
        """Kill any of them, and start another of its kind."""
        index = chance.randrange(len(self._running))
        self._running[index].kill()
        self._running[index] = self._start(self._running[index].client)

    def _wait_until_they_run(self) -> None:
        for running in self._running:
            running.wait_until_it_runs()

    def _start(self, client: Client) -> _Running:
        number = self._next_number
        self._next_number += NUMBERS
        log_path = self._directory / f"{number}.calls"
        process = multiprocessing.get_context("spawn").Process(
            target=_run,
            args=(client, self._socket_path, log_path, number),
            name=f"{client.__name__} {number}",
        )
        process.start()
        return _Running(client, process, log_path)


def _run(client: Client, socket_path: Path, log_path: Path, number: int) -> None:
    os.setpgid(0, 0)  # so that what it forks can be killed with it
    threading.Thread(target=_end_with_the_harness, daemon=True).start()
    client(Setting(socket_path, log_path, number))


def _end_with_the_harness() -> None:
    harness = multiprocessing.parent_process()
    assert harness is not None
    harness.join()
    os.killpg(0, signal.SIGKILL)
