"""Two builds compared by turns, so that a change of the machine's speed meets both.

A side is a commit, which gets a worktree of its own, or a peer as the checkout has it, such as
`pack_db_forgetful`. The loads are those of this checkout: of a commit they use the client and the
daemon.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.peers import PEERS
from benchmarks.results import Run
from benchmarks.tables import markdown

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    peer: str
    python_path: str

    def run(self, options: list[str], output: Path) -> Run:
        command = [sys.executable, "-P", "-m", "benchmarks", "--peers", self.peer, *options]
        command += ["--reps", "1", "--no-yardsticks", "--output", str(output)]
        environment = os.environ | {"PYTHONPATH": self.python_path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{self.peer} could not be measured:\n{done.stderr}{done.stdout}")
        return msgspec.json.decode((output / "results.json").read_bytes(), type=Run)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    add = parser.add_argument
    add("old", help="a commit or a peer")
    add("new", help="a commit or a peer")
    add("--peer", default="pack_db", help="what is measured of a commit (default: pack_db)")
    add("--turns", type=int, default=7, help="of each side (default: 7)")
    add("--loads", default="1,8,4+4,64", help="(default: 1,8,4+4,64)")
    add("--operations", default="get,consume", help="(default: get,consume)")
    add("--seconds", default="1", help="of each measurement (default: 1)")
    arguments = parser.parse_args()
    options = ["--loads", arguments.loads, "--operations", arguments.operations]
    options += ["--seconds", arguments.seconds]
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        sides = [
            stack.enter_context(_side(name, arguments.peer, directory / str(number)))
            for number, name in enumerate((arguments.old, arguments.new))
        ]
        for turn in range(arguments.turns):
            print(f"turn {turn + 1} of {arguments.turns}", file=sys.stderr, flush=True)
            figures = {}
            for number in (0, 1) if turn % 2 else (1, 0):
                figures[number] = dict(_figures(sides[number].run(options, directory / "results")))
            for what, old in figures[0].items():
                found[what].append((old, figures[1][what]))
    print(_table(found, arguments.old, arguments.new))


@contextmanager
def _side(name: str, peer: str, directory: Path) -> Iterator[_Side]:
    if name in PEERS:
        yield _Side(peer=name, python_path=str(_ROOT))
        return
    worktree, loads = directory / "worktree", directory / "loads"
    loads.mkdir(parents=True)
    for package in ("benchmarks", "tests"):
        (loads / package).symlink_to(_ROOT / package)
    git = ["git", "-C", str(_ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(worktree), name], check=True)
    try:
        parts = (loads, worktree, worktree / "client", worktree / "daemon")
        yield _Side(peer=peer, python_path=os.pathsep.join(map(str, parts)))
    finally:
        subprocess.run([*git, "remove", "--force", str(worktree)], check=True)


def _figures(run: Run) -> Iterator[tuple[str, float]]:
    for result in run.results:
        what = f"{result.operation}, {result.load.description}"
        yield f"{what}: calls/s", result.calls_per_s
        if (p50_us := result.percentile_us(50)) is not None:
            yield f"{what}: p50 µs", p50_us
        if result.cpu_us is not None:
            yield f"{what}: CPU µs", result.cpu_us
    for mixed in run.mixed:
        yield "4 readers alone: gets/s", mixed.alone[0]
        yield "4 readers beside 4 writers: gets/s", mixed.readers[0]
        yield "4 writers beside 4 readers: consumes/s", mixed.writers[0]
    for footprint in run.footprints:
        yield "memory MiB", footprint.memory_mib


def _table(found: dict[str, list[tuple[float, float]]], old: str, new: str) -> str:
    lines = [["medians of the turns", old, new, "new ÷ old", "from", "to"]]
    for what, pairs in found.items():
        ratios = sorted(ours / theirs for theirs, ours in pairs if theirs)
        if ratios:
            medians = (median(side) for side in zip(*pairs, strict=True))
            row = [what, *(f"{figure:,.0f}" for figure in medians)]
            lines.append([*row, *(f"{r:.3f}" for r in (median(ratios), ratios[0], ratios[-1]))])
    return markdown(lines)


if __name__ == "__main__":
    main()
