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
from benchmarks.results import Run
from benchmarks.suite import Options, Suite
from benchmarks.tables import tables
from benchmarks.workload import Load, Operation

E = TypeVar("E", bound=StrEnum)


def main() -> int:
    arguments = _parser().parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    results = output / "results.json"
    if arguments.again:
        run = msgspec.json.decode(results.read_bytes(), type=Run)
    else:
        run = _measured(arguments)
        results.write_bytes(msgspec.json.encode(run))
    print(tables(run))
    print(results)
    if arguments.charts:
        from benchmarks.charts import draw

        for path in draw(run, output):
            print(path)
    return 1 if run.failures else 0


def _measured(arguments: argparse.Namespace) -> Run:
    options = Options(
        peers=arguments.peers,
        loads=arguments.loads,
        operations=arguments.operations,
        seconds=arguments.seconds,
        repetitions=arguments.reps,
        with_yardsticks=not arguments.no_yardsticks,
    )
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs as another user
        return Suite(options, Path(directory), _show).run()


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    missing = [peer.name for peer in PEERS.values() if not peer.is_available()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure pack-db beside what one would pick instead.",
        epilog=f"Peers: {', '.join(PEERS)}. Not installed: {', '.join(missing) or 'none'}.",
    )
    add = parser.add_argument
    add(
        "--peers",
        type=_peers,
        default=[PEERS[name] for name in QUICK],
        help=f"names, or 'all' that are installed (default: {','.join(QUICK)})",
    )
    add("--loads", type=some(Load), default=list(Load), help=f"of {','.join(Load)} (default: all)")
    add(
        "--operations",
        type=some(Operation),
        default=list(Operation),
        help=f"of {','.join(Operation)} (default: all)",
    )
    add("--seconds", type=float, default=1.0, help="of each measurement (default: 1)")
    add("--reps", type=int, default=3, help="of each measurement (default: 3)")
    add("--no-yardsticks", action="store_true", help="measure no echo and no sqlite3 beside")
    add(
        "--output",
        type=Path,
        default=Path("build/benchmarks"),
        metavar="DIRECTORY",
        help="for results.json and the charts (default: build/benchmarks)",
    )
    add("--charts", action="store_true", help="draw the latencies as SVG; needs matplotlib")
    add("--again", action="store_true", help="measure nothing: show results.json once more")
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


def some(enum: type[E]) -> Callable[[str], list[E]]:
    """What parses a list of an enumeration's values."""

    def parse(text: str) -> list[E]:
        try:
            return [enum(name) for name in text.split(",")]
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return parse


if __name__ == "__main__":
    sys.exit(main())
