"""What exactly-once adds to a durable write of one client: the daemon as it is, beside one whose
journal remembers nothing."""

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks import forgetful_daemon
from benchmarks.accounts import ACCOUNTS
from benchmarks.alternating import Side, compare
from benchmarks.arguments import Arguments
from benchmarks.daemon_on_database import running_daemon_on
from benchmarks.loaded_database import LoadedDatabase
from benchmarks.workload import Operation


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exactly_once", description=__doc__)
    parser.add_argument("--turns", type=int, default=21, help="of each daemon (default: 21)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn (default: 1)")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        forgetful = [sys.executable, "-m", forgetful_daemon.__name__]
        without = _side("without a journal", data / "without", forgetful, stack)
        as_it_is = _side("exactly once", data / "exactly-once", None, stack)
        print(compare(without, as_it_is, arguments.turns, arguments.seconds))


def _side(title: str, directory: Path, command: list[str] | None, stack: ExitStack) -> Side:
    loaded = LoadedDatabase(directory, ACCOUNTS)
    loaded.make()
    daemon = stack.enter_context(running_daemon_on(loaded.path, command))
    db = stack.enter_context(daemon.client())
    arguments = Arguments(loaded.account_ids(), seed=1)
    return Side(
        title=title,
        call=lambda account_id: db.tokens.consume_tokens(account_id, 1),
        next_argument=lambda: arguments.next(Operation.CONSUME),
    )


if __name__ == "__main__":
    main()
