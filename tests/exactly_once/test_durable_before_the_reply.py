import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput
from tests.support.daemon_process import DaemonProcess

_WAL_WRITE = re.compile(r"pwrite64\(\d+<[^>]*-wal>")
_WAL_SYNC = re.compile(r"f(?:data)?sync\(\d+<[^>]*-wal>")
_SYNC_RESUMED = re.compile(r"<\.\.\. f(?:data)?sync resumed>")
_SEND = re.compile(r"send(?:to|msg)\(\d+<")


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode == 0


@pytest.mark.skipif(not _can_trace(), reason="strace is not installed, or may not trace here")
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
