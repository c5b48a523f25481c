"""A process ends at once, whatever call it has not been able to send."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.exactly_once.timing import ends_within

_PATIENCE_S = 30  # far below the timeouts of the calls

_SCRIPTS = {
    "a thread is calling when the main thread ends": """
        print("ready", flush=True)
        db = PackDb(path, timeout_s=60)
        threading.Thread(target=db.ping, daemon=True).start()
        """,
    "a thread is calling when the client is closed": """
        print("ready", flush=True)
        with PackDb(path, timeout_s=60) as db:
            threading.Thread(target=db.ping).start()
            time.sleep(0.1)
        """,
    "a thread is calling when an exception leaves the block": """
        print("ready", flush=True)
        with PackDb(path, timeout_s=60) as db:
            threading.Thread(target=db.ping).start()
            time.sleep(0.1)
            sys.exit(3)
        """,
    "a client was never closed": """
        print("ready", flush=True)
        db = PackDb(path, timeout_s=60)
        try:
            db.with_timeout(0.1).ping()
        except NoDaemon:
            pass
        """,
    "a task is calling when the event loop ends": """
        print("ready", flush=True)
        async def main():
            db = AsyncPackDb(path, timeout_s=60)
            task = asyncio.create_task(db.ping())
            await asyncio.sleep(0.1)

        asyncio.run(main())
        """,
    "a task is calling when an exception leaves the block": """
        print("ready", flush=True)
        async def main():
            async with AsyncPackDb(path, timeout_s=60) as db:
                task = asyncio.create_task(db.ping())
                await asyncio.sleep(0.1)
                sys.exit(3)

        asyncio.run(main())
        """,
}

_PREAMBLE = """
import asyncio, sys, threading, time
from pack_db_client import AsyncPackDb, NoDaemon, PackDb
path = sys.argv[1]
"""

_MAIN_THREAD_CALLS = {
    "a synchronous call": """
        with PackDb(path, timeout_s=60) as db:
            print("ready", flush=True)
            db.ping()
        """,
    "a batch": """
        with PackDb(path, timeout_s=60) as db:
            with db.batch() as batch:
                print("ready", flush=True)
                batch.submit(db.accounts.list_accounts)
        """,
    "an asyncio call": """
        async def main():
            async with AsyncPackDb(path, timeout_s=60) as db:
                print("ready", flush=True)
                await db.ping()

        asyncio.run(main())
        """,
}


def start(script: str, directory: Path) -> "subprocess.Popen[str]":
    """Start a script and return once it is ready to call."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PREAMBLE + textwrap.dedent(script), str(directory / "nobody")],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: "subprocess.Popen[str]") -> str:
    """Wait for the end; returns what it wrote to stderr."""
    try:
        return process.communicate(timeout=_PATIENCE_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise


@pytest.mark.parametrize("script", _SCRIPTS.values(), ids=_SCRIPTS)
def test_a_process_ends_while(short_path: Path, script: str) -> None:
    process = start(script, short_path)

    with ends_within(1):
        end(process)

    assert process.returncode == (3 if "sys.exit(3)" in script else 0)


@pytest.mark.parametrize("script", _MAIN_THREAD_CALLS.values(), ids=_MAIN_THREAD_CALLS)
def test_ctrl_c_ends(short_path: Path, script: str) -> None:
    process = start(script, short_path)

    with ends_within(1):
        process.send_signal(signal.SIGINT)
        errors = end(process)

    assert errors.rstrip().endswith("KeyboardInterrupt")
