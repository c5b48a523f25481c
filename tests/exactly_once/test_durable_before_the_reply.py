import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput, PackDb
from tests.faults.conditions import wait_until
from tests.support.daemon_process import DaemonProcess

_WAL_WRITE = re.compile(r"pwrite64\(\d+<[^>]*-wal>")
_WAL_SYNC = re.compile(r"f(?:data)?sync\(\d+<[^>]*-wal>")
_SYNC_RESUMED = re.compile(r"<\.\.\. f(?:data)?sync resumed>")
_SEND = re.compile(r"send(?:to|msg)\(\d+<")


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode == 0


needs_strace = pytest.mark.skipif(
    not _can_trace(), reason="strace is not installed, or may not trace here"
)


@needs_strace
def test_the_wal_is_synced_between_its_last_write_and_the_reply(short_path: Path) -> None:
    trace = short_path / "trace"
    # -D: the daemon stays our own child, so signals reach it.
    tracer = ["strace", "-D", "-f", "-y", "-s", "0", "-o", str(trace)]
    calls = "trace=pwrite64,fdatasync,fsync,sendto,sendmsg"
    daemon = DaemonProcess(
        short_path,
        command=[*tracer, "-e", calls, sys.executable, "-m", "pack_db_daemon", "serve"],
    )
    daemon.start()
    try:
        with daemon.client() as db:
            account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
            for _ in range(9):
                db.tokens.consume_tokens(account.id, 1)
        daemon.stop()
    finally:
        daemon.clean_up()

    assert _replies_after_a_synced_write(trace.read_text().splitlines()) == 10


@needs_strace
def test_row_101_who_only_reads_does_not_wait_for_the_disk(
    daemon: DaemonProcess, db: PackDb
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    with _syncs_take(1.0, daemon), daemon.client() as writer, ThreadPoolExecutor(1) as thread:
        for written in range(2):
            assert db.tokens.get_balance(account.id).topup_remaining == written
            write = thread.submit(writer.tokens.top_up, account.id, 1)
            reads = 0
            while not write.done():
                assert db.tokens.get_balance(account.id).topup_remaining in (written, written + 1)
                reads += 1
            assert reads > 20


@contextmanager
def _syncs_take(seconds: float, daemon: DaemonProcess) -> Iterator[None]:
    inject = f"inject=fdatasync,fsync:delay_enter={int(seconds * 1e6)}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", inject, "-p", str(daemon.pid)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        status = Path(f"/proc/{daemon.pid}/status")
        try:
            wait_until(lambda: f"TracerPid:\t{tracer.pid}\n" in status.read_text(), "it is traced")
            yield
        finally:
            tracer.terminate()


def _replies_after_a_synced_write(lines: list[str]) -> int:
    """How many sends were the first since a write to the WAL; each must find it synced.

    The first send of all is a handshake, after the writes of the migrations.
    """
    replies = 0
    unsynced = written = False
    syncing: set[str] = set()  # ids of threads
    first_send = next(n for n, line in enumerate(lines) if _SEND.search(line))
    for line in lines[first_send:]:
        thread = line.split()[0]
        if _WAL_WRITE.search(line):
            unsynced = written = True
        elif _WAL_SYNC.search(line):
            if line.endswith("<unfinished ...>"):
                syncing.add(thread)
            else:
                unsynced = False
        elif _SYNC_RESUMED.search(line) and thread in syncing:
            syncing.remove(thread)
            unsynced = False
        elif _SEND.search(line):
            assert not unsynced, f"sent before the WAL was synced: {line}"
            replies += written
            written = False
    return replies
