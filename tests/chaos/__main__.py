"""`python -m tests.chaos --kills 1000 --seed N`: the long run of the harness.

Prints a summary; exits with 1 if a promise was broken.
"""

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos.harness import run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Kill the daemon under load, and check that no call was lost or done twice.",
    )
    parser.add_argument("--kills", type=int, default=1000, help="with SIGKILL (default: 1000)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="of the schedule"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory:
        report = run(Path(directory), kills=arguments.kills, seed=arguments.seed)
    print(report)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
