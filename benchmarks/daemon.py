"""What a daemon takes by itself: its start, its memory, and its CPU while nobody calls."""

import argparse
import time
from contextlib import ExitStack
from statistics import median

from benchmarks.accounts import ACCOUNTS
from benchmarks.arguments import Arguments
from benchmarks.daemon_on_database import daemon_on, running_daemon_on
from benchmarks.data_directory import add_data_option, data_directory
from benchmarks.loaded_database import LoadedDatabase
from benchmarks.process_usage import cpu_seconds, resident_mib
from benchmarks.workload import Operation
from pack_db_client import NoDaemon, PackDb
from tests.support.daemon_process import DaemonProcess

_CALLS = 10_000
_SETTLE_S = 2.0
_RETRY_S = 0.001


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemon", description=__doc__)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS, help=f"(default: {ACCOUNTS})")
    parser.add_argument("--starts", type=int, default=11, help="(default: 11)")
    parser.add_argument("--idle-seconds", type=float, default=30.0, help="(default: 30)")
    add_data_option(parser)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = stack.enter_context(data_directory(arguments.data))
        loaded = LoadedDatabase(data, arguments.accounts)
        loaded.make()
        print(f"{arguments.accounts:,} accounts, {loaded.path.stat().st_size / 2**20:,.0f} MiB")
        starts = sorted(_seconds_to_first_answer(loaded) for _ in range(arguments.starts))
        print(f"start to first answer: {median(starts):.3f} s, at most {starts[-1]:.3f} s")
        daemon = stack.enter_context(running_daemon_on(loaded.path))
        with daemon.client() as db:
            print(f"resident memory after the start: {resident_mib(daemon.pid):.1f} MiB")
            _call(db, loaded)
            print(f"after {2 * _CALLS:,} calls: {resident_mib(daemon.pid):.1f} MiB")
            print(f"idle CPU: {_idle_share(daemon, arguments.idle_seconds):.3%} of one CPU")


def _seconds_to_first_answer(loaded: LoadedDatabase) -> float:
    account_id = loaded.account_ids()[0]
    with daemon_on(loaded.path) as daemon, daemon.client() as db:
        began = time.monotonic()
        daemon.start(wait=False)
        while True:
            try:
                db.accounts.get_account(account_id)
            except NoDaemon:
                time.sleep(_RETRY_S)
            else:
                return time.monotonic() - began


def _call(db: PackDb, loaded: LoadedDatabase) -> None:
    arguments = Arguments(loaded.account_ids(), seed=1)
    for _ in range(_CALLS):
        db.accounts.get_account(arguments.next(Operation.GET))
        db.tokens.consume_tokens(arguments.next(Operation.CONSUME), 1)


def _idle_share(daemon: DaemonProcess, seconds: float) -> float:
    time.sleep(_SETTLE_S)
    before = cpu_seconds(daemon.pid)
    time.sleep(seconds)
    return (cpu_seconds(daemon.pid) - before) / seconds


if __name__ == "__main__":
    main()
