import argparse
import sys
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.adapter import Adapter
from benchmarks.peers import PEERS, QUICK
from benchmarks.results import Failure, Result
from benchmarks.suite import Options, Suite
from benchmarks.tables import progress, tables
from benchmarks.workload import Durability, Operation, Shape

E = TypeVar("E", bound=StrEnum)


def main() -> int:
    arguments = _parser().parse_args()
    if arguments.list:
        for peer in PEERS.values():
            print(f"{peer.name:12} {peer.title}{'' if peer.is_available() else ' (missing)'}")
        return 0
    options = Options(
        peers=arguments.peers,
        shapes=arguments.shapes,
        operations=arguments.operations,
        durabilities=arguments.durability,
        seconds=arguments.seconds,
        repetitions=arguments.reps,
        quiet_patience_s=arguments.wait_quiet,
    )
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user
        run = Suite(options, Path(directory), _show).run()
    print(tables(run))
    arguments.output.mkdir(parents=True, exist_ok=True)
    results = arguments.output / "results.json"
    results.write_bytes(msgspec.json.encode(run))
    print(results)
    if arguments.charts:
        from benchmarks.charts import draw

        for path in draw(run, arguments.output):
            print(path)
    return 1 if run.failures else 0


def _show(found: Result | Failure) -> None:
    print(progress(found), file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure pack-db beside what one would pick instead.",
    )
    add = parser.add_argument
    add(
        "--peers",
        type=_peers,
        default=[PEERS[name] for name in QUICK],
        help=f"names, or 'all' that are installed (default: {','.join(QUICK)})",
    )
    add("--list", action="store_true", help="list all peers")
    add("--shapes", type=_some(Shape), default=list(Shape), help="of 1,8,64 (default: all)")
    add(
        "--operations",
        type=_some(Operation),
        default=list(Operation),
        help="of get,consume,create (default: all)",
    )
    add(
        "--durability",
        type=_some(Durability),
        default=[Durability.DURABLE],
        help="of durable,relaxed (default: durable)",
    )
    add("--seconds", type=float, default=1.0, help="of each measurement (default: 1)")
    add("--reps", type=int, default=3, help="of each measurement (default: 3)")
    add(
        "--wait-quiet",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long to wait, before each cell, for other processes to be quiet (default: 20)",
    )
    add(
        "--output",
        type=Path,
        default=Path("build/benchmarks"),
        metavar="DIRECTORY",
        help="for results.json and the charts (default: build/benchmarks)",
    )
    add("--charts", action="store_true", help="draw the latencies as SVG; needs matplotlib")
    return parser


def _peers(text: str) -> list[type[Adapter]]:
    if text == "all":
        return [peer for peer in PEERS.values() if peer.is_available()]
    names = text.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(
            f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}"
        )
    return [PEERS[name] for name in names]


def _some(enum: type[E]) -> Callable[[str], list[E]]:
    def parse(text: str) -> list[E]:
        try:
            return [enum(name) for name in text.split(",")]
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return parse


if __name__ == "__main__":
    sys.exit(main())
