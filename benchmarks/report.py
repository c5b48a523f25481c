"""Prints, and draws, a run that was made before: `python -m benchmarks.report results.json`."""

import argparse
from pathlib import Path

import msgspec

from benchmarks.charts import draw
from benchmarks.results import Run
from benchmarks.tables import tables


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("results", type=Path, help="JSON that python -m benchmarks wrote")
    parser.add_argument("--charts", type=Path, metavar="DIRECTORY", help="draw SVG files there")
    arguments = parser.parse_args()
    run = msgspec.json.decode(arguments.results.read_bytes(), type=Run)
    print(tables(run))
    if arguments.charts:
        arguments.charts.mkdir(parents=True, exist_ok=True)
        for path in draw(run, arguments.charts):
            print(path)


if __name__ == "__main__":
    main()
