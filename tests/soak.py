"""`python -m tests.soak --minutes 10`: honest and hostile clients for long; nothing may grow.

Prints a line for each of 20 looks at the daemon. Exits with 1 if its memory, its descriptors or
its answering times grew from the first half to the second, or if a call failed.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pack_db_client import CreateAccountInput, PackDb
from tests.faults.conditions import descriptor_count, memory_mib
from tests.faults.zmtp_peer import ZmtpPeer, req_message
from tests.support.daemon_process import DaemonProcess

_LOOKS = 20
_WARM_UP = 2  # looks
_MEMORY_MIB = 8.0  # a page cache and malloc's arenas fill up slowly
_DESCRIPTORS = 4  # connections come and go
_SLOWER = 2.0  # other programs of the machine


@dataclass(frozen=True)
class Look:
    memory_mib: float
    descriptors: int
    latency_us: float  # median of reading a balance, under the load

    def __str__(self) -> str:
        return (
            f"{self.memory_mib:7.1f} MiB  {self.descriptors:3} descriptors  "
            f"{self.latency_us:6.0f} µs"
        )


class Load:
    """Clients in threads; each does its work again and again until `stop`."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.failures: list[BaseException] = []
        self._daemon = daemon
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(work,))
            for work in (self._spend, self._come_and_go, self._connect_and_leave, self._misbehave)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[PackDb], None]) -> None:
        try:
            with self._daemon.client() as db:
                while not self._stopped.wait(0.001):
                    work(db)
        except BaseException as failure:
            self.failures.append(failure)

    def _spend(self, db: PackDb) -> None:
        account = _new_account(db)
        with db.batch() as batch:
            for _ in range(20):
                batch.submit(db.tokens.consume_tokens, account, 1)
        for _ in range(20):
            db.tokens.top_up(account, 1)
        if db.tokens.get_balance(account).total != 1000:
            raise AssertionError("the balance is wrong")
        db.accounts.delete_account(account)

    def _come_and_go(self, db: PackDb) -> None:
        with self._daemon.client() as other:
            other.accounts.delete_account(_new_account(other))

    def _connect_and_leave(self, db: PackDb) -> None:
        with ZmtpPeer(self._daemon.socket_path):
            pass

    def _misbehave(self, db: PackDb) -> None:
        with ZmtpPeer(self._daemon.socket_path) as peer:
            peer.shake_hands()
            for body in (b"", b"\xc1", bytes(1000), b"\x95\x01"):
                peer.send(req_message(body))
            peer.send(b"\xff" * 100)
            peer.wait_until_closed()


def _new_account(db: PackDb) -> str:
    email = f"{time.monotonic_ns()}-{threading.get_ident()}@example.com"
    return db.accounts.create_account(CreateAccountInput(email=email)).id


def _look(daemon: DaemonProcess, db: PackDb, account: str) -> Look:
    times_ns = []
    for _ in range(500):
        started_ns = time.perf_counter_ns()
        db.tokens.get_balance(account)
        times_ns.append(time.perf_counter_ns() - started_ns)
    return Look(
        memory_mib(daemon.pid),
        descriptor_count(daemon.pid),
        statistics.median(times_ns) / 1000,
    )


def _growth(looks: list[Look]) -> list[str]:
    """What has grown from the first half to the second."""
    looks = looks[_WARM_UP:]
    first, second = looks[: len(looks) // 2], looks[len(looks) // 2 :]
    grown = []
    if max(x.memory_mib for x in second) > max(x.memory_mib for x in first) + _MEMORY_MIB:
        grown.append("memory")
    if max(x.descriptors for x in second) > max(x.descriptors for x in first) + _DESCRIPTORS:
        grown.append("descriptors")
    before = statistics.median(x.latency_us for x in first)
    if statistics.median(x.latency_us for x in second) > before * _SLOWER:
        grown.append("answering times")
    return grown


def soak(directory: Path, seconds: float) -> list[str]:
    """Returns what went wrong."""
    daemon = DaemonProcess(directory)
    daemon.start()
    load = Load(daemon)
    try:
        with daemon.client() as db:
            account = _new_account(db)
            load.start()
            looks = []
            for number in range(1, _LOOKS + 1):
                time.sleep(seconds / _LOOKS)
                looks.append(_look(daemon, db, account))
                print(f"{number * seconds / _LOOKS / 60:5.1f} min  {looks[-1]}", flush=True)
            health = db.status().database.health
    finally:
        load.stop()
        daemon.clean_up()
    wrong = [f"the {what} grew" for what in _growth(looks)]
    wrong += [f"a call failed: {failure!r}" for failure in load.failures]
    return wrong if health == "good" else [*wrong, health]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="default: 10")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory:
        wrong = soak(Path(directory), arguments.minutes * 60)
    print("\n".join(wrong) or "nothing grew, no call failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
