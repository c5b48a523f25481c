"""What runs in the harness's client processes, until SIGTERM."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from pack_db.errors import PackDbError
from pack_db_client import AsyncPackDb, PackDb
from tests.chaos.call_log import CallLog
from tests.chaos.workload import Task

TASKS = 6
"""Of an asyncio client; each has a number of its own, from `number` on."""


def run_client(socket_path: Path, log_path: Path, number: int) -> None:
    """One synchronous client."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda received, frame: stop.append(received))
    log = CallLog(log_path)
    with PackDb(socket_path) as db:
        actions = Task(f"sync-{number}", number, log, lambda: bool(stop)).run()
        try:
            action = next(actions)
            while True:
                time.sleep(action.pause_s)
                action.started_at = time.monotonic()
                try:
                    service = getattr(db.with_timeout(action.timeout_s), action.service)
                    result = getattr(service, action.method)(*action.args)
                except PackDbError as error:
                    action = actions.throw(error)
                else:
                    action = actions.send(result)
        except StopIteration:
            log.close()


def run_async_client(socket_path: Path, log_path: Path, number: int) -> None:
    """One asyncio client with `TASKS` tasks."""
    asyncio.run(_run_tasks(socket_path, log_path, number))


async def _run_tasks(socket_path: Path, log_path: Path, number: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    log = CallLog(log_path)
    async with AsyncPackDb(socket_path) as db, asyncio.TaskGroup() as group:
        for n in range(number, number + TASKS):
            group.create_task(_run_task(db, Task(f"async-{n}", n, log, stop.is_set)))
    log.close()


async def _run_task(db: AsyncPackDb, task: Task) -> None:
    actions = task.run()
    try:
        action = next(actions)
        while True:
            await asyncio.sleep(action.pause_s)
            action.started_at = time.monotonic()
            result: Any
            try:
                service = getattr(db.with_timeout(action.timeout_s), action.service)
                result = await getattr(service, action.method)(*action.args)
            except PackDbError as error:
                action = actions.throw(error)
            else:
                action = actions.send(result)
    except StopIteration:
        pass
