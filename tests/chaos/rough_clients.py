"""Clients as nobody should write them, and as they are: no promise depends on good manners."""

import asyncio
import gc
import itertools
import os
import random
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from pack_db.errors import OutcomeUnknown, PackDbError
from pack_db_client import AsyncPackDb, PackDb
from tests.chaos.clients import NUMBERS, Setting
from tests.chaos.driving import call, call_async, drive, drive_async
from tests.chaos.workload import Action, Interrupted

_TASKS = 4
_CALLS_OF_A_CHILD = 8
_CHILD_ENDS_S = 150  # or SIGALRM ends it


def dropping(setting: Setting) -> None:
    """Closes none of its clients; every second call has a new one."""
    chance = random.Random(setting.number)
    db = PackDb(setting.socket_path)

    def perform(action: Action) -> Any:
        nonlocal db
        match chance.randrange(10):
            case 0 | 1:
                db = PackDb(setting.socket_path)
            case 2:
                db.itself = db  # type: ignore[attr-defined]  # only the collector can end it
                db = PackDb(setting.socket_path)
            case 3:
                other = AsyncPackDb(setting.socket_path)
                return asyncio.run(call_async(other, action))
            case 4:
                AsyncPackDb(setting.socket_path)
                with suppress(ValueError, PackDbError):
                    PackDb(setting.socket_path, timeout_s=-1)
                threading.Thread(target=_ping, args=(setting,)).start()
            case 5:
                gc.collect()
        return call(db, action)

    drive(setting.new_task(), perform)


def _ping(setting: Setting) -> None:
    with suppress(PackDbError):
        PackDb(setting.socket_path, timeout_s=1).ping()


def forking(setting: Setting) -> None:
    """Forks between its calls, and from another thread in the middle of them."""
    chance = random.Random(setting.number)
    db = PackDb(setting.socket_path)
    numbers = itertools.count(setting.number + 1)
    children: list[int] = []

    def perform(action: Action) -> Any:
        if chance.random() < 0.05:
            _fork(setting, db, next(numbers), children, by_exit=chance.random() < 0.5)
        return call(db, action)

    def fork_meanwhile() -> None:
        while not setting.stopped.wait(0.5):
            _fork(setting, db, next(numbers), children, by_exit=True)

    thread = threading.Thread(target=fork_meanwhile)
    thread.start()
    drive(setting.new_task(), perform)
    thread.join()
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
    ends = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    if ends - {0, -signal.SIGTERM}:  # the latter when it came too late to be handled
        sys.exit(f"forked children ended with {ends}")


def _fork(setting: Setting, db: PackDb, number: int, children: list[int], *, by_exit: bool) -> None:
    if number >= setting.number + NUMBERS:
        return
    if child := os.fork():
        children.append(child)
        return
    try:
        signal.alarm(_CHILD_ENDS_S)
        _run_child(setting, db, number)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    if by_exit:
        os._exit(0)
    sys.exit()


def _run_child(setting: Setting, db: PackDb, number: int) -> None:
    own = Setting(setting.socket_path, setting.log_path.with_name(f"{number}.calls"), number)
    calls = itertools.count()
    task = own.new_task(lambda: own.stopped.is_set() or next(calls) >= _CALLS_OF_A_CHILD)
    drive(task, partial(call, db))


class signalled:  # noqa: N801  # used as a function
    """Gets signals in the middle of calls, whose handler raises, calls or closes."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._chance = random.Random(setting.number)
        self._db = PackDb(setting.socket_path)
        self._is_calling = False
        self._was_closed = False
        self._others_actions = setting.new_task().run()
        self._others_action: Action | None = next(self._others_actions)
        signal.signal(signal.SIGALRM, self._handle)
        self._set_timer()
        drive(setting.new_task(), self._perform)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._db.close()

    def _perform(self, action: Action) -> Any:
        if self._was_closed:
            self._was_closed = False
            self._db = PackDb(self._setting.socket_path)
        self._is_calling = True
        try:
            return call(self._db, action)
        except OutcomeUnknown:
            if self._was_closed:
                raise Interrupted from None
            raise
        finally:
            self._is_calling = False

    def _handle(self, received: int, frame: FrameType | None) -> None:
        began = time.monotonic()
        try:
            if not self._is_calling:
                return
            match self._chance.randrange(8):
                case 0 | 1 | 2:
                    self._is_calling = False
                    raise Interrupted
                case 3:
                    self._was_closed = True
                    self._db.close()
                case 4:
                    PackDb(self._setting.socket_path).close()
                case _:
                    self._call_for_the_other()
        finally:
            # What the caller's own handler does is no fault of the call in which it runs.
            self._setting.pauses.note(began, time.monotonic())
            self._set_timer()

    def _call_for_the_other(self) -> None:
        """One call of a second task, on the client whose call is interrupted."""
        if (action := self._others_action) is None:
            return
        action.started_at = time.monotonic()
        try:
            try:
                result = call(self._db, action)
            except PackDbError as error:
                self._others_action = self._others_actions.throw(error)
            else:
                self._others_action = self._others_actions.send(result)
        except StopIteration:
            self._others_action = None

    def _set_timer(self) -> None:
        if not self._setting.stopped.is_set():
            signal.setitimer(signal.ITIMER_REAL, self._chance.uniform(0.002, 0.02))


def cancelling(setting: Setting) -> None:
    """Cancels calls, and blocks its loop for a while."""
    asyncio.run(_cancel(setting))


async def _cancel(setting: Setting) -> None:
    chance = random.Random(setting.number)

    async def perform(action: Action) -> Any:
        calling = asyncio.ensure_future(call_async(db, action))
        if chance.random() < 0.2:
            asyncio.get_running_loop().call_later(chance.uniform(0, 0.01), calling.cancel)
        try:
            return await calling
        except asyncio.CancelledError:
            raise Interrupted from None

    async def block() -> None:
        while not setting.stopped.is_set():
            await asyncio.sleep(chance.uniform(0, 1))
            began = time.monotonic()
            time.sleep(chance.uniform(0.05, 0.7))
            setting.pauses.note(began, time.monotonic())

    async with AsyncPackDb(setting.socket_path) as db, asyncio.TaskGroup() as group:
        for _ in range(_TASKS):
            group.create_task(drive_async(setting.new_task(), perform))
        group.create_task(block())


def one_loop_after_another(setting: Setting) -> None:
    """Uses one client in all of them."""
    chance = random.Random(setting.number)
    db = AsyncPackDb(setting.socket_path)
    loop_ends = 0.0
    tasks = [
        setting.new_task(lambda: setting.stopped.is_set() or time.monotonic() > loop_ends)
        for _ in range(_TASKS)
    ]

    async def run() -> None:
        await asyncio.gather(*(drive_async(task, partial(call_async, db)) for task in tasks))

    while not setting.stopped.is_set():
        loop_ends = time.monotonic() + chance.uniform(0.0, 0.6)
        asyncio.run(run())
