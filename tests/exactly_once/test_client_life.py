"""However a client's life ends, its process goes on, or ends at once."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pack_db.errors import InvalidInput
from pack_db_client import (
    Account,
    AsyncPackDb,
    CallTimeout,
    ClientClosed,
    ClocksDiffer,
    PackDb,
)
from pack_db_client.protocol.replies import encode_reply, encode_value
from pack_db_client.protocol.requests import Request
from tests.exactly_once.fake_daemon import answer_nothing, fake_daemon
from tests.exactly_once.ledger import consumed
from tests.support.daemon_process import DaemonProcess

_PATIENCE_S = 30
_PREAMBLE = """
import asyncio, gc, os, sys, threading
from pack_db_client import *
path = sys.argv[1]
"""


def run(script: str, path: Path) -> str:
    """What a program writes to stdout that has to end by itself, and without complaint."""
    completed = subprocess.run(
        [sys.executable, "-c", _PREAMBLE + textwrap.dedent(script), str(path)],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    return completed.stdout


_DROPPED = {
    "one for each call": """
        for _ in range(100):
            PackDb(path).ping()
        """,
    "one for each asyncio call": """
        async def call():
            return await AsyncPackDb(path).ping()
        for _ in range(30):
            asyncio.run(call())
        """,
    "many in one event loop": """
        async def main():
            for _ in range(100):
                await AsyncPackDb(path).ping()
        asyncio.run(main())
        """,
    "in reference cycles": """
        class Application:
            def __init__(self):
                self.db = PackDb(path)
                self.db.ping()
                self.myself = self
        for _ in range(100):
            Application()
        """,
    "asyncio clients in reference cycles": """
        class Application:
            def __init__(self):
                self.db = AsyncPackDb(path)
                self.myself = self
        async def main():
            for _ in range(50):
                await Application().db.ping()
            gc.collect()
            await asyncio.sleep(0)
        asyncio.run(main())
        """,
    "half-made": """
        for _ in range(100):
            for timeout_s in (-1, 0, 1e9):
                try:
                    PackDb(path, timeout_s=timeout_s)
                    raise AssertionError
                except InvalidInput:
                    pass
        """,
    "kept by an exception": """
        kept = []
        for _ in range(50):
            try:
                PackDb(path, timeout_s=10).accounts.authenticate("no key")
            except InvalidApiKey as error:
                kept.append(error)
        kept.clear()
        """,
    "in threads that end": """
        def work():
            PackDb(path).ping()
        for _ in range(50):
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """,
    "by a finalizer": """
        class Application:
            def __del__(self):
                PackDb(path).ping()
        for _ in range(50):
            Application()
        """,
    "with calls of cancelled tasks": """
        async def main():
            for _ in range(20):
                task = asyncio.create_task(AsyncPackDb(path).ping())
                await asyncio.sleep(0)
                task.cancel()
        asyncio.run(main())
        """,
    "when the process ends": """
        kept = [PackDb(path) for _ in range(20)]
        for db in kept:
            db.ping()
        kept.append(kept)
        """,
    "an asyncio client when the process ends": """
        db = AsyncPackDb(path)
        asyncio.run(db.ping())
        """,
    "while a daemon thread calls": """
        db = PackDb(path)
        def work():
            while True:
                db.ping()
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        db.ping()
        """,
    "in forked children": """
        db = PackDb(path)
        db.ping()
        for _ in range(20):
            if not (pid := os.fork()):
                db.ping()
                del db
                gc.collect()
                sys.exit()
            assert os.waitpid(pid, 0)[1] == 0
            db.ping()
        """,
}


@pytest.mark.parametrize("script", _DROPPED.values(), ids=_DROPPED)
def test_a_dropped_client_is_cleaned_up(daemon: DaemonProcess, script: str) -> None:
    allowed = 30 + 4 * 20 * ("kept" in script)  # the context's own, and what is kept
    counting = f"""
    import time
    before = len(os.listdir("/proc/self/fd"))
    {textwrap.indent(textwrap.dedent(script), " " * 4).strip()}
    gc.collect()
    give_up = time.monotonic() + {_PATIENCE_S / 2}
    while (left := len(os.listdir("/proc/self/fd")) - before) >= {allowed}:
        assert time.monotonic() < give_up, left  # libzmq closes in a thread of its own
        time.sleep(0.01)
    """
    run(counting, daemon.socket_path)


@pytest.mark.parametrize("use", ["PackDb(path, timeout_s=0.2).ping()", "asyncio.run(call())"])
def test_without_descriptors_there_is_an_error_and_the_process_lives(
    daemon: DaemonProcess, use: str
) -> None:
    output = run(
        f"""
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        async def call():
            return await AsyncPackDb(path, timeout_s=0.2).ping()
        seen = set()
        for free in range(40):
            if not (pid := os.fork()):
                taken = []
                try:
                    while True:
                        taken.append(os.open("/dev/null", 0))
                except OSError:
                    pass
                for fd in taken[:free]:
                    os.close(fd)
                try:
                    {use}
                    os._exit(1)
                except Unavailable as error:
                    os._exit(2 if "open another file" in str(error) else 3)
                except OSError:
                    os._exit(4)  # an event loop needs some, too
            seen.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print(*sorted(seen))
        """,
        daemon.socket_path,
    )

    assert set(output.split()) <= {"1", "2", "4"}
    assert {"1", "2"} <= set(output.split())


def test_a_client_that_is_connected_survives_that_there_are_no_descriptors(
    short_path: Path,
) -> None:
    daemon = DaemonProcess(short_path)
    daemon.start()
    script = """
        import resource
        db = PackDb(path, timeout_s=0.5)
        print(db.ping(), flush=True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken = []
        try:
            while True:
                taken.append(os.open("/dev/null", 0))
        except OSError:
            pass
        print("taken", flush=True)
        sys.stdin.readline()  # meanwhile the daemon is restarted
        try:
            db.ping()  # the old connection's descriptor is free for a new one
        except Unavailable:
            pass
        for fd in taken:
            os.close(fd)
        print(db.with_timeout(20).ping(), flush=True)
        """
    process = subprocess.Popen(
        [sys.executable, "-c", _PREAMBLE + textwrap.dedent(script), str(daemon.socket_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        version = process.stdout.readline()
        assert process.stdout.readline() == "taken\n"
        daemon.stop()
        daemon.start()
        output, _ = process.communicate("\n", timeout=_PATIENCE_S)
    finally:
        process.kill()
        daemon.clean_up()

    assert (process.returncode, output) == (0, version)


def test_leaving_a_view_does_not_close_the_client(daemon: DaemonProcess, db: PackDb) -> None:
    with db.with_timeout(20) as view:
        version = view.ping()
    view.close()

    assert db.ping() == view.ping() == version
    db.close()
    with pytest.raises(ClientClosed):
        view.ping()


def test_leaving_an_asyncio_view_does_not_close_the_client(daemon: DaemonProcess) -> None:
    async def work() -> None:
        async with AsyncPackDb(daemon.socket_path) as db:
            async with db.with_timeout(20) as view:
                await view.ping()
            assert await db.ping() == await view.ping()

    asyncio.run(work())


def test_event_loops_of_several_threads_share_a_client(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    client = AsyncPackDb(daemon.socket_path, timeout_s=20)
    all_there = threading.Barrier(4)

    async def work() -> None:
        await client.ping()
        await asyncio.to_thread(all_there.wait)
        for _ in range(20):
            await asyncio.gather(*(client.tokens.consume_tokens(account.id, 1) for _ in range(3)))

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(asyncio.run, work()) for _ in range(4)]:
            done.result(_PATIENCE_S)
    asyncio.run(client.close())

    assert consumed(db, account.id) == [1] * 240


def test_closing_in_one_loop_ends_the_calls_of_another(short_path: Path) -> None:
    client = AsyncPackDb(short_path / "s", timeout_s=20)
    with (
        fake_daemon(short_path / "s", answer_nothing) as daemon,
        ThreadPoolExecutor(1) as thread,
    ):
        call = thread.submit(asyncio.run, client.ping())
        daemon.wait_for_message()
        asyncio.run(client.close())
        assert isinstance(call.exception(_PATIENCE_S), CallTimeout | ClientClosed)


def test_a_batch_is_used_once(db: PackDb, account: Account) -> None:
    batch = db.batch()
    with batch:
        batch.submit(db.tokens.consume_tokens, account.id, 5)
    with pytest.raises(RuntimeError, match="used already"), batch:
        pass
    with pytest.raises(RuntimeError, match="used already"):
        batch.submit(db.tokens.consume_tokens, account.id, 7)

    assert consumed(db, account.id) == [5]


def test_a_batch_takes_its_own_clients_methods_only(
    db: PackDb, account: Account, short_path: Path
) -> None:
    other = PackDb(short_path / "nobody-listens-here")
    with db.batch() as batch:
        with pytest.raises(TypeError, match="another client"):
            batch.submit(other.tokens.consume_tokens, account.id, 1)
        batch.submit(db.with_timeout(3).tokens.consume_tokens, account.id, 2)

    assert consumed(db, account.id) == [2]


def test_a_batch_with_an_argument_that_cannot_be_sent_is_whole_without_it(
    db: PackDb, account: Account
) -> None:
    with db.batch() as batch:
        batch.submit(db.tokens.consume_tokens, account.id, 2)
        with pytest.raises(InvalidInput):
            batch.submit(db.tokens.consume_tokens, account.id, object())  # type: ignore[arg-type]

    assert consumed(db, account.id) == [2]


@pytest.mark.parametrize("offset_s", [-1000, 1000])
def test_a_daemon_with_another_clock_is_noticed(short_path: Path, offset_s: int) -> None:
    """As in another time namespace (time_namespaces(7))."""

    def answer(request: Request) -> bytes:
        now_ns = request.deadline_ns - 20 * 10**9
        return encode_reply(request.sequence, [encode_value("pong")], now_ns + offset_s * 10**9)

    with (
        fake_daemon(short_path / "s", answer),
        PackDb(short_path / "s", timeout_s=20) as client,
        pytest.raises(ClocksDiffer, match="time namespace"),
    ):
        client.ping()


@pytest.mark.skipif(
    subprocess.run(["unshare", "--time", "true"], capture_output=True).returncode != 0,
    reason="needs root, and unshare with time namespaces",
)
def test_a_client_in_another_time_namespace_is_told_so(daemon: DaemonProcess) -> None:
    for offset_s in ("86400", "-60"):
        client = [sys.executable, "-c", f"{_PREAMBLE}print(PackDb(path).ping())"]
        completed = subprocess.run(
            ["unshare", "--time", "--fork", "--monotonic", offset_s, *client, daemon.socket_path],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
        )
        assert "ClocksDiffer" in completed.stderr


def test_a_client_makes_no_connection_before_its_first_call(short_path: Path) -> None:
    output = run(
        """
        before = len(os.listdir("/proc/self/fd"))
        clients = [PackDb(path) for _ in range(100)]
        print(len(os.listdir("/proc/self/fd")) - before)
        """,
        short_path / "s",
    )

    assert output == "0\n"


def test_a_loop_blocked_past_the_deadline_has_sent_nothing(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    blocked = threading.Event()

    async def work() -> list[str]:
        async with AsyncPackDb(daemon.socket_path, timeout_s=0.3) as client:
            await client.ping()
            calls = [
                asyncio.create_task(client.tokens.consume_tokens(account.id, 1)) for _ in range(3)
            ]
            await asyncio.sleep(0)
            blocked.wait(0.5)
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            return [f"{type(outcome).__name__}: {outcome}" for outcome in outcomes]

    for outcome in asyncio.run(work()):
        assert outcome.startswith("CallTimeout")
        assert "nothing was sent" in outcome
    assert consumed(db, account.id) == []


def test_a_loop_blocked_until_after_the_answer_takes_it(
    daemon: DaemonProcess, account: Account
) -> None:
    """It came in time, so what was done is known."""

    async def work() -> int:
        async with AsyncPackDb(daemon.socket_path, timeout_s=0.5) as client:
            await client.ping()
            call = asyncio.create_task(client.tokens.consume_tokens(account.id, 1))
            for _ in range(3):
                await asyncio.sleep(0)  # until it was sent
            threading.Event().wait(1)
            return (await call).total

    assert asyncio.run(work()) == account.token_remaining - 1
