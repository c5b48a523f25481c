"""What the daemon tells about those who call it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from pack_db.errors import PackDbError
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db.interfaces.services import SERVICES
from pack_db_client import PackDb
from pack_db_client.protocol.daemon_service import ConnectedProcess
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.method_table import methods_by_name, with_daemon_service
from tests.faults.conditions import wait_until
from tests.support.daemon_process import DaemonProcess

_CALLERS = 20

_PROCESSES_THAT_CONNECT = """
import os, socket, sys
path, processes, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if len(sys.argv) > 4:
    open("/proc/self/comm", "w").write(sys.argv[4])
while processes > 1 and os.fork() > 0:
    processes -= 1
held = [socket.socket(socket.AF_UNIX) for _ in range(connections)]
for one in held:
    one.connect(path)
sys.stdin.read()
"""


METHODS = methods_by_name(with_daemon_service(SERVICES))


@contextmanager
def connected(
    daemon: DaemonProcess, script: str, processes: int, connections: int, *name: str
) -> Iterator[int]:
    """So many processes that hold so many connections each; yields the pid of the first."""
    path = daemon.directory / script
    path.write_text(_PROCESSES_THAT_CONNECT)
    numbers = (str(processes), str(connections))
    with subprocess.Popen(
        [sys.executable, "-W", "error", path, daemon.socket_path, *numbers, *name],
        stdin=subprocess.PIPE,
    ) as process:
        yield process.pid
        process.communicate()


def call_everything(db: PackDb) -> None:
    """Each method once; most are refused, which is counted as well."""
    services = {"accounts": db.accounts, "tokens": db.tokens, "daemon": db}
    for method in METHODS.values():
        function = getattr(services[method.name.partition(".")[0]], method.function_name)
        with suppress(PackDbError):
            function(**dict.fromkeys(method.signature.parameters, "bad"))


def process_of(db: PackDb, pid: int) -> ConnectedProcess | None:
    return next((process for process in db.status().processes if process.pid == pid), None)


def test_connections_are_told_by_process(daemon: DaemonProcess, db: PackDb) -> None:
    wait_until(lambda: db.status().connections == 1, "this process is counted")
    [own] = db.status().processes
    assert (own.pid, own.user_id, own.connections) == (os.getpid(), os.geteuid(), 1)
    with connected(daemon, "billing.py", 1, 1000) as pid:
        wait_until(lambda: db.status().connections == 1001, "all connections are counted")
        status = db.status()
        assert status.processes == [
            ConnectedProcess(pid=pid, user_id=os.geteuid(), program="billing.py", connections=1000),
            own,
        ]
        assert status.more_processes == 0
    wait_until(lambda: db.status().processes == [own], "the other process has gone")


def test_a_program_cannot_write_on_the_terminal_by_its_name(
    daemon: DaemonProcess, db: PackDb
) -> None:
    with connected(daemon, "billing.py", 1, 1, "\x1b[2J\nsmith\u00e9") as pid:
        wait_until(lambda: process_of(db, pid) is not None, "it is connected")
        process = process_of(db, pid)
        assert process is not None
        assert process.program == "?[2J?smith??"


def test_a_process_that_has_gone_has_no_program(daemon: DaemonProcess, db: PackDb) -> None:
    ours, its = socket.socketpair()
    with ours, its:
        pid = os.fork()
        if pid == 0:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(daemon.socket_path))
            socket.send_fds(its, [b" "], [connection.fileno()])
            os._exit(0)
        _, [inherited], _, _ = socket.recv_fds(ours, 1, 1)
    os.waitpid(pid, 0)
    with socket.socket(fileno=inherited):
        wait_until(lambda: process_of(db, pid) is not None, "its connection is counted")
        process = process_of(db, pid)
        assert process is not None
        assert process.program is None


def test_the_status_fits_in_the_smallest_message(short_path: Path) -> None:
    daemon = DaemonProcess(short_path, {"MAX_MESSAGE_BYTES": "4096"})
    daemon.start()
    try:
        with daemon.client() as db, connected(daemon, f"{'a' * 100}.py", 30, 1):
            call_everything(db)
            wait_until(lambda: db.status().connections == 31, "all are connected")
            status = db.status()
            assert len(status.processes) == 20
            assert status.more_processes == 11
            assert len(status.methods) == len(METHODS)
    finally:
        daemon.clean_up()


@pytest.mark.parametrize("workers", ["1", "4"])
def test_messages_that_wait_are_counted(short_path: Path, workers: str) -> None:
    daemon = DaemonProcess(short_path, {"WORKERS": workers})
    daemon.start()
    try:
        with ExitStack() as stack:
            clients = [stack.enter_context(daemon.client()) for _ in range(_CALLERS)]
            account = clients[0].accounts.create_account(CreateAccountInput(email="a@example.com"))

            def call_at_once() -> bool:
                """Whether some had to wait: a loaded machine may send one after the other."""
                before = clients[0].status().queue
                daemon.send_signal(signal.SIGSTOP)
                with ThreadPoolExecutor(_CALLERS) as pool:
                    calls = [pool.submit(db.tokens.top_up, account.id, 1) for db in clients]
                    wait_until(lambda: all(call.running() for call in calls), "all are called")
                    daemon.send_signal(signal.SIGCONT)
                after = clients[0].status().queue
                assert after.messages - before.messages >= _CALLERS
                return after.waited > before.waited

            wait_until(call_at_once, "messages wait")
    finally:
        daemon.clean_up()


def test_calls_are_counted_whatever_thread_makes_them() -> None:
    statistics = CallStatistics()

    def record() -> None:
        for number in range(20_000):
            statistics.record("a.b", number, failed=number % 2 == 0)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        statistics.summary()  # may be asked meanwhile
    [row] = statistics.summary()
    assert (row.calls, row.failed) == (80_000, 40_000)
