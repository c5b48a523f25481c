"""Kills first starts of the database at many moments; a program for `test_killed_start.py`.

    killed_first_start.py DIRECTORY

Each is killed with SIGKILL in a process of its own, and leaves its database in a directory of its
own below DIRECTORY: before its first, second, third ... SQL statement, until one is not killed any
more; then after random, but seeded times.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import apsw

from pack_db.config import Config
from pack_db.impls.service_factory import ServiceFactory

RANDOM_KILLS = 25


def start(path: Path) -> None:
    ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection().run_migrations()


def start_until_statement(path: Path, number: int) -> None:
    statements = 0

    def trace(cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        nonlocal statements
        statements += 1
        if statements == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def hook(connection: apsw.Connection) -> None:
        connection.exec_trace = trace

    apsw.connection_hooks.append(hook)
    start(path)


def was_killed(path: Path, number: int) -> bool:
    path.parent.mkdir()
    if (pid := os.fork()) == 0:
        start_until_statement(path, number)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == signal.SIGKILL


def kill_after(path: Path, seconds: float) -> None:
    path.parent.mkdir()
    if (pid := os.fork()) == 0:
        start(path)
        os._exit(0)
    time.sleep(seconds)  # the moment of the kill, not a wait for something
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def main(directory: Path) -> None:
    number = 1
    while was_killed(directory / f"statement-{number}" / "pack.db", number):
        number += 1
    seeded = random.Random(1)
    for round_number in range(RANDOM_KILLS):
        kill_after(directory / f"random-{round_number}" / "pack.db", seeded.uniform(0, 0.015))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
