"""Many clients at once of calls that take a while each."""

import multiprocessing
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pack_db.errors import PackDbError
from pack_db_client import PackDb
from tests.congestion.slow_service import CALL_S, Slow
from tests.support.running_daemon import running_daemon

_ROOT = Path(__file__).parents[2]
_PROCESSES = 4
_PATIENCE_S = 30.0  # over the time that the queue of all clients takes


@dataclass(frozen=True)
class Result:
    clients: int
    calls: int
    errors: Counter[str]  # by code, of calls that were not answered
    wrong_answers: int
    done: int  # by the daemon, more than once or not
    done_again: int
    answers_per_s: float

    def __str__(self) -> str:
        return (
            f"{self.clients:4} clients: {self.calls} calls, errors: {dict(self.errors) or 'none'}, "
            f"wrong answers: {self.wrong_answers}, done: {self.done} ({self.done_again} again), "
            f"{self.answers_per_s:.1f} answers/s"
        )

    def is_right(self) -> bool:
        """Every call was answered, and done once."""
        return not self.errors and not self.wrong_answers and self.done == self.calls


def crowd(clients: int, calls_each: int, workers: int) -> Result:
    """Let so many clients call at once, each one call after the other, reads and writes in turn."""
    settings = {
        "PYTHONPATH": str(_ROOT),
        "SERVICE_FACTORY": "tests.congestion.slow_service:SlowFactory",
        "WORKERS": str(workers),
    }
    with running_daemon(settings) as daemon:
        answers = _answers(daemon.socket_path, clients, calls_each)
        done = (daemon.directory / "done").read_text().splitlines()
    times = [float(line.split()[0]) for line in done]
    calls = Counter(line.split()[1] for line in done)
    errors = Counter(answer for answer in answers if answer not in ("right", "wrong"))
    return Result(
        clients,
        clients * calls_each,
        errors,
        answers["wrong"],
        calls.total(),
        calls.total() - len(calls),
        answers["right"] / (times[-1] - times[0] + CALL_S),
    )


def _answers(socket_path: Path, clients: int, calls_each: int) -> Counter[str]:
    shares = [range(n, clients, _PROCESSES) for n in range(_PROCESSES)]
    answers: Counter[str] = Counter()
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_PROCESSES, spawning) as processes:
        calling = [
            processes.submit(_call, socket_path, share, calls_each, clients * CALL_S + _PATIENCE_S)
            for share in shares
        ]
        for called in calling:
            answers += called.result()
    return answers


def _call(
    socket_path: Path, names: Iterable[int], calls_each: int, timeout_s: float
) -> Counter[str]:
    def call(name: int) -> list[str]:
        answers = []
        with PackDb(socket_path, timeout_s=timeout_s) as db:
            slow = db.service("slow", Slow)
            for number in range(calls_each):
                method = slow.write if number % 2 else slow.read
                sent = f"{name}.{number}"
                try:
                    answers.append("right" if method(sent) == sent else "wrong")
                except PackDbError as error:
                    answers.append(error.code)
        return answers

    names = list(names)
    with ThreadPoolExecutor(len(names)) as threads:
        return Counter(answer for answers in threads.map(call, names) for answer in answers)
