"""What runs in the harness's client processes, each until SIGTERM: clients as they should be."""

import asyncio
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pack_db_client import AsyncPackDb, PackDb
from tests.chaos.call_log import CallLog
from tests.chaos.driving import call, call_async, drive, drive_async
from tests.chaos.pauses import Pauses
from tests.chaos.workload import Task

NUMBERS = 1000
"""Of tasks, that a process may give away from its own on."""

_TASKS = 6
_THREADS = 4

Client = Callable[["Setting"], object]


class Setting:
    """What a client process works with.

    Args:
        number: of its first task.
    """

    def __init__(self, socket_path: Path, log_path: Path, number: int) -> None:
        self.socket_path = socket_path
        self.log_path = log_path
        self.number = number
        self.pauses = Pauses()
        self.stopped = threading.Event()
        self._next_number = number
        signal.signal(signal.SIGTERM, lambda received, frame: self.stopped.set())
        self.log = CallLog(log_path)  # last: once it is there, the process may be stopped

    def new_task(self, stopped: Callable[[], bool] | None = None) -> Task:
        number = self._next_number
        self._next_number += 1
        stopped = stopped or self.stopped.is_set
        return Task(f"task-{number}", number, self.log, self.pauses, stopped)


def one_after_the_other(setting: Setting) -> None:
    with PackDb(setting.socket_path) as db:
        drive(setting.new_task(), partial(call, db))


def threads(setting: Setting) -> None:
    """Share one client."""
    with PackDb(setting.socket_path) as db:
        running = [
            threading.Thread(target=drive, args=(setting.new_task(), partial(call, db)))
            for _ in range(_THREADS)
        ]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()


def asyncio_tasks(setting: Setting) -> None:
    async def run() -> None:
        async with AsyncPackDb(setting.socket_path) as db, asyncio.TaskGroup() as group:
            for _ in range(_TASKS):
                group.create_task(drive_async(setting.new_task(), partial(call_async, db)))

    asyncio.run(run())
