"""`python -m tests.congestion`: clients of calls of 20 ms, more and more; nothing may collapse.

Prints a line for each crowd. Exits with 1 if a call was not answered or not done once, or if
more clients got fewer answers a second.
"""

import argparse
import sys

from tests.congestion.crowd import crowd

_CALLS_EACH = 5
_SLOWER = 1.25  # other programs of the machine


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.congestion", description=__doc__)
    parser.add_argument("clients", type=int, nargs="*", default=[30, 100, 200])
    arguments = parser.parse_args()
    wrong = 0
    for workers in (1, 8):
        rates = []
        for clients in arguments.clients:
            result = crowd(clients, _CALLS_EACH, workers)
            print(f"WORKERS={workers}  {result}", flush=True)
            rates.append(result.answers_per_s)
            wrong += not result.is_right()
        wrong += max(rates) > rates[-1] * _SLOWER
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
