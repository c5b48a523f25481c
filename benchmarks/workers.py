"""What WORKERS does: the daemon with ever more of them, on SQLite or on PostgreSQL.

On PostgreSQL, psycopg without pack-db takes its turns on the same server: with one statement to
consume a token, and with all that pack-db writes for it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.adapters.direct_postgres import OneStatement, SameWork
from benchmarks.adapters.pack_db import PackDbDaemon, PackDbWithWorkers
from benchmarks.adapters.pack_db_on_postgres import PackDbOnPostgres
from benchmarks.adapters.postgres import Postgres
from benchmarks.by_turns import Side, Turns, measure_by_turns, ratio
from benchmarks.columns import P50, P99, RATE, TITLE, Column, ratio_column, table
from benchmarks.environment import environment
from benchmarks.results import Result, Run
from benchmarks.shared_postgres import pack_db_url, shared_postgres
from benchmarks.workload import Operation, Shape

_ON_SQLITE = (1, 2, 4, 8, 16, 32)
_ON_POSTGRES = (1, 2, 4, 8, 16)
_NOTES = """\
All writes are durable. Medians of the turns; "÷" is the median ratio of a turn, of p50 for one
client (better below 1) and of the rate for many (better above). "~30%": best less worst turn,
shown from 20%. "!": other processes took more than 10% of the CPUs."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    add = parser.add_argument
    add("engine", choices=("sqlite", "postgres"))
    add("--turns", type=int, default=5, help="of each (default: 5)")
    add("--seconds", type=float, default=1.0, help="of each measurement (default: 1)")
    add(
        "--wait-quiet",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long to wait, before each round, for other processes to be quiet (default: 20)",
    )
    add(
        "--output",
        type=Path,
        default=Path("build/benchmarks"),
        metavar="DIRECTORY",
        help="for workers-ENGINE.json (default: build/benchmarks)",
    )
    arguments = parser.parse_args()
    on_postgres = arguments.engine == "postgres"
    if on_postgres and not Postgres.is_available():
        parser.error("postgres is missing, or psycopg; benchmarks/README.md says how to get them")
    turns = Turns(
        count=arguments.turns,
        seconds=arguments.seconds,
        quiet_patience_s=arguments.wait_quiet,
    )
    began = time.monotonic()
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
            )
        )
        directory.chmod(0o755)  # PostgreSQL runs as another user
        peers = (PackDbDaemon, Postgres) if on_postgres else (PackDbDaemon,)
        machine = environment(peers, directory)
        if on_postgres:
            sides = _sides_on(stack.enter_context(shared_postgres(directory)))
        else:
            sides = _sides()
        results = measure_by_turns(sides, turns, directory, _report)
    run = Run(
        environment=machine,
        seconds_each=turns.seconds,
        results=results,
        failures=[],
        seconds=time.monotonic() - began,
    )
    print("\n\n".join(_sections(run)))
    arguments.output.mkdir(parents=True, exist_ok=True)
    written = arguments.output / f"workers-{arguments.engine}.json"
    written.write_bytes(msgspec.json.encode(run))
    print(f"\n{written}")


def _sides() -> list[Side]:
    return [
        Side(
            title=_title(workers),
            peer=PackDbWithWorkers.name,
            make=partial(PackDbWithWorkers, workers=workers),
        )
        for workers in _ON_SQLITE
    ]


def _sides_on(server: Path) -> list[Side]:
    """
    Args:
        server: directory of a running PostgreSQL.
    """
    return [
        *(
            Side(
                title=_title(workers),
                peer=PackDbOnPostgres.name,
                make=partial(PackDbOnPostgres, workers=workers, url=pack_db_url(server)),
            )
            for workers in _ON_POSTGRES
        ),
        Side(
            title=OneStatement.title,
            peer=OneStatement.name,
            make=lambda _, durability: OneStatement(server, durability),
        ),
        Side(
            title=SameWork.title,
            peer=SameWork.name,
            make=lambda _, durability: SameWork(server, durability),
            operations=(Operation.CONSUME,),  # a get is the same one statement
        ),
    ]


def _title(workers: int) -> str:
    return f"pack-db, WORKERS={workers}"


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _sections(run: Run) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in run.environment.items())
    yield _NOTES
    for operation in Operation:
        for shape in Shape:
            rows = [r for r in run.results if (r.operation, r.shape) == (operation, shape)]
            if rows:
                yield f"### {operation}, {shape.description}"
                yield table(_columns(shape, rows), rows)
    for result in run.results:
        if result.errors:
            where = f"{result.operation}, {result.shape.description}, {result.title}"
            yield f"Calls that failed: {where}: {result.errors}"
    yield f"{run.seconds:.0f} s in all, {run.seconds_each:g} s a measurement."


def _columns(shape: Shape, rows: Sequence[Result]) -> list[Column]:
    bases = [row for row in rows if row is rows[0] or row.peer == Postgres.name]
    ratios = [
        ratio_column(f"÷ {base.title.removeprefix('pack-db, ')}", partial(ratio, theirs=base))
        for base in bases
    ]
    if shape is Shape.ONE_CLIENT:
        return [TITLE, P50, P99, *ratios]
    if shape is Shape.CLIENT_PROCESSES:
        return [TITLE, RATE, *ratios, P50, P99]
    return [TITLE, RATE, *ratios]


if __name__ == "__main__":
    main()
