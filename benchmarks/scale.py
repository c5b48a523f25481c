"""What reading one account takes among many accounts, beside what it takes among 10,000.

Both databases have a daemon of their own, which are asked by turns. Both files are read once
before, so that they are in the page cache as far as there is memory.
"""

import argparse
from contextlib import ExitStack

from benchmarks.accounts import ACCOUNTS
from benchmarks.alternating import Side, compare
from benchmarks.arguments import Arguments
from benchmarks.daemon_on_database import running_daemon_on
from benchmarks.data_directory import add_data_option, data_directory
from benchmarks.loaded_database import LoadedDatabase
from benchmarks.workload import Operation

_READ_BYTES = 2**24


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000, help="(default: 1000000)")
    parser.add_argument("--turns", type=int, default=11, help="of each daemon (default: 11)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn (default: 1)")
    add_data_option(parser)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = stack.enter_context(data_directory(arguments.data))
        few, many = (
            _side(LoadedDatabase(data, accounts), stack)
            for accounts in (ACCOUNTS, arguments.accounts)
        )
        print(compare(few, many, arguments.turns, arguments.seconds))


def _side(loaded: LoadedDatabase, stack: ExitStack) -> Side:
    loaded.make()
    with loaded.path.open("rb") as file:
        while file.read(_READ_BYTES):
            pass
    daemon = stack.enter_context(running_daemon_on(loaded.path))
    db = stack.enter_context(daemon.client())
    ids = loaded.account_ids()
    arguments = Arguments(ids, seed=1)
    return Side(
        title=f"get among {len(ids):,} accounts",
        call=db.accounts.get_account,
        next_argument=lambda: arguments.next(Operation.GET),
    )


if __name__ == "__main__":
    main()
