"""A run as Markdown."""

from collections.abc import Iterator

from benchmarks.columns import P50, P99, RATE, TITLE, WAY, Column, ratio_column, table
from benchmarks.results import Failure, Result, Run
from benchmarks.workload import Durability, Operation, Shape

_NOTES = """\
Medians of the repetitions. "÷ echo": divided by a raw pyzmq echo under the same load, measured
just before and after; "÷ sqlite3": by the same write of one process that prepares statements of
its own at synchronous=FULL. Times are better below 1, rates above. "~30%": best less worst
repetition, shown from 20%. "!": other processes took more than 10% of the CPUs."""


def tables(run: Run) -> str:
    return "\n\n".join(_sections(run)) + "\n"


def progress(found: Result | Failure) -> str:
    """One line, for whoever waits."""
    where = f"{found.peer}, {found.durability}, {found.shape.description}"
    if isinstance(found, Failure):
        return f"{where}: FAILED, {found.error}\n{found.log}"
    way = f" ({found.way})" if found.way else ""
    p50_us = found.percentile_us(50)
    latency = "" if p50_us is None else f", p50 {p50_us:.0f} µs"
    return f"{where}{way}: {found.operation} {found.calls_per_s:,.0f}/s{latency}"


def _sections(run: Run) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in run.environment.items())
    yield _NOTES
    for operation in Operation:
        for durability in Durability:
            for shape in Shape:
                rows = [
                    result
                    for result in run.results
                    if (result.operation, result.durability, result.shape)
                    == (operation, durability, shape)
                ]
                if rows:
                    how = "" if operation is Operation.GET else f", {durability}"
                    yield f"### {operation}{how}, {shape.description}"
                    yield table(_columns(shape, any(row.sqlite for row in rows)), rows)
    if any(result.errors for result in run.results):
        yield "### Calls that failed"
        yield "\n".join(
            f"- {progress(result)}: {result.errors}" for result in run.results if result.errors
        )
    if run.failures:
        yield "### Not measured"
        yield "\n".join(f"- {progress(failure)}" for failure in run.failures)
    yield f"{run.seconds:.0f} s in all, {run.seconds_each:g} s a measurement."


def _columns(shape: Shape, has_sqlite: bool) -> list[Column]:
    if shape is Shape.ONE_CLIENT:
        columns = [TITLE, P50, P99, ratio_column("p50 ÷ echo", lambda r: r.p50_ratio(r.echo))]
        if has_sqlite:
            columns.append(ratio_column("p50 ÷ sqlite3", lambda r: r.p50_ratio(r.sqlite)))
        return [*columns, RATE]
    columns = [TITLE, WAY] if shape is Shape.IN_FLIGHT else [TITLE]
    columns += [RATE, ratio_column("rate ÷ echo", lambda r: r.rate_ratio(r.echo))]
    if has_sqlite:
        columns.append(ratio_column("rate ÷ sqlite3", lambda r: r.rate_ratio(r.sqlite)))
    return columns if shape is Shape.IN_FLIGHT else [*columns, P50, P99]
