"""How the calls that a task asks for are made."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pack_db.errors import PackDbError
from pack_db_client import AsyncPackDb, PackDb
from tests.chaos.workload import Action, Interrupted, Task


def drive(task: Task, perform: Callable[[Action], Any]) -> None:
    """Do what a task asks for until it is stopped."""
    actions = task.run()
    try:
        action = next(actions)
        while True:
            time.sleep(action.pause_s)
            action.started_at = time.monotonic()
            try:
                result = perform(action)
            except (PackDbError, Interrupted) as error:
                action = actions.throw(error)
            else:
                action = actions.send(result)
    except StopIteration:
        pass


async def drive_async(task: Task, perform: Callable[[Action], Awaitable[Any]]) -> None:
    actions = task.run()
    try:
        action = next(actions)
        while True:
            await asyncio.sleep(action.pause_s)
            action.started_at = time.monotonic()
            try:
                result = await perform(action)
            except (PackDbError, Interrupted) as error:
                action = actions.throw(error)
            else:
                action = actions.send(result)
    except StopIteration:
        pass


def call(db: PackDb, action: Action) -> Any:
    service = getattr(db.with_timeout(action.timeout_s), action.service)
    return getattr(service, action.method)(*action.args)


async def call_async(db: AsyncPackDb, action: Action) -> Any:
    service = getattr(db.with_timeout(action.timeout_s), action.service)
    return await getattr(service, action.method)(*action.args)
