"""`python -m tests.chaos --kills 1000 --seed N`: the long run of the harness.

With `--engine postgresql` there are two daemons, and their servers are killed and fail over, too.

Prints a summary; exits with 1 if a promise was broken.
"""

import argparse
import secrets
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from tests.chaos.harness import run
from tests.support.postgres_server import running_pair


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Kill daemons under load, and check that no call was lost or done twice.",
    )
    parser.add_argument("--kills", type=int, default=1000, help="with SIGKILL (default: 1000)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="of the schedule"
    )
    parser.add_argument(
        "--engine",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="postgresql: two daemons, and a primary and a standby that suffer, too",
    )
    parser.add_argument("--workers", default="", help="of each daemon (default: the engine's)")
    arguments = parser.parse_args()
    servers = running_pair() if arguments.engine == "postgresql" else nullcontext()
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory, servers as pair:
        report = run(
            Path(directory),
            kills=arguments.kills,
            seed=arguments.seed,
            settings={"WORKERS": arguments.workers},
            pair=pair,
        )
    print(report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
