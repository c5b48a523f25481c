"""A run as Markdown."""

from collections.abc import Callable, Iterator

from benchmarks.environment import is_busy
from benchmarks.results import Failure, Result, Run
from benchmarks.workload import Durability, Operation, Shape

_NOTES = """\
Medians of the repetitions. "÷ echo": divided by a raw pyzmq echo under the same load, measured
just before and after; "÷ sqlite3": by the same write of one process that prepares statements of
its own at synchronous=FULL. Times are better below 1, rates above. "~30%": best less worst
repetition, shown from 20%. "!": other processes took more than 10% of the CPUs."""
_SPREAD_SHOWN_FROM = 0.2

Column = tuple[str, Callable[[Result], str]]


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
                    yield _table(_columns(shape, any(row.sqlite for row in rows)), rows)
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
    title: Column = ("peer", lambda r: r.title)
    rate: Column = ("calls/s", _rate)
    p50: Column = ("p50 µs", lambda r: _number(r.percentile_us(50)))
    p99: Column = ("p99 µs", lambda r: _number(r.percentile_us(99)))
    if shape is Shape.ONE_CLIENT:
        columns = [title, p50, p99, ("p50 ÷ echo", lambda r: _ratio(r.p50_ratio(r.echo)))]
        if has_sqlite:
            columns.append(("p50 ÷ sqlite3", lambda r: _ratio(r.p50_ratio(r.sqlite))))
        return [*columns, rate]
    columns = [title]
    if shape is Shape.IN_FLIGHT:
        columns.append(("way", lambda r: r.way or ""))
    columns += [rate, ("rate ÷ echo", lambda r: _ratio(r.rate_ratio(r.echo)))]
    if has_sqlite:
        columns.append(("rate ÷ sqlite3", lambda r: _ratio(r.rate_ratio(r.sqlite))))
    return columns if shape is Shape.IN_FLIGHT else [*columns, p50, p99]


def _table(columns: list[Column], rows: list[Result]) -> str:
    cells = [[heading for heading, _ in columns]]
    cells += [[cell(row) for _, cell in columns] for row in rows]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    cells.insert(1, rule)
    return "\n".join(
        "| "
        + " | ".join(
            text.rjust(width) if n else text.ljust(width)
            for n, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in cells
    )


def _rate(result: Result) -> str:
    text = f"{result.calls_per_s:,.0f}"
    if result.spread >= _SPREAD_SHOWN_FROM:
        text += f" ~{result.spread:.0%}"
    return f"!{text}" if is_busy(result.others_busy) else text


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
