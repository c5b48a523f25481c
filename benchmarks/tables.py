"""A run as Markdown."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from benchmarks.results import Result, Run, p50_ratio, rate_ratio
from benchmarks.workload import Load, Operation

_SPREAD_SHOWN_FROM = 0.2
_NOTES = """\
All writes are durable. Medians of the repetitions. "÷ echo": divided by a raw pyzmq echo under the
same load, measured just before and after; "÷ sqlite3": by the same write of one process that
prepares statements of its own at synchronous=FULL. Times are better below 1, rates above. "~30%":
best less worst repetition, shown from 20%. "CPU µs": what a call takes of the CPUs, client and
server together."""

_Column = tuple[str, Callable[[Result], str]]


def tables(run: Run) -> str:
    return "\n\n".join(_sections(run)) + "\n"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The first line has the headings; all but the first column are numbers."""
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(
            text.rjust(width) if n else text.ljust(width)
            for n, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def _sections(run: Run) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in run.environment.items())
    yield _NOTES
    for operation in Operation:
        for load in Load:
            rows = [r for r in run.results if (r.operation, r.load) == (operation, load)]
            if rows:
                yield f"### {operation}, {load.description}"
                columns = _columns(load, rows)
                yield markdown(
                    [
                        [heading for heading, _ in columns],
                        *([cell(row) for _, cell in columns] for row in rows),
                    ]
                )
    if run.mixed:
        yield "### 4 readers beside 4 writers"
        lines = [["peer", "gets/s alone", "gets/s beside", "÷ alone", "consumes/s"]]
        for mixed in run.mixed:
            pairs = zip(mixed.readers, mixed.alone, strict=True)
            ratio = median(readers / alone for readers, alone in pairs)
            rates = (median(rates) for rates in (mixed.alone, mixed.readers, mixed.writers))
            alone, readers, writers = (f"{rate:,.0f}" for rate in rates)
            lines.append([mixed.title, alone, readers, f"{ratio:.2f}", writers])
        yield markdown(lines)
    if run.footprints:
        yield "### Servers after 20,000 calls"
        lines = [["peer", "memory MiB", "idle CPU"]]
        for f in run.footprints:
            lines.append([f.title, f"{f.memory_mib:.0f}", f"{f.idle_share:.2%}"])
        yield markdown(lines)
    for result in run.results:
        if result.errors:
            where = f"{result.operation}, {result.load.description}, {result.title}"
            yield f"Calls that failed: {where}: {result.errors}"
    for failure in run.failures:
        yield f"Not measured: {failure.load.description}, {failure.peer}: {failure.error}"


def _columns(load: Load, rows: Sequence[Result]) -> list[_Column]:
    of_time = load is Load.ONE_CLIENT
    ratio, what = (p50_ratio, "p50") if of_time else (rate_ratio, "rate")
    ratios: list[_Column] = []
    if any(row.echo for row in rows):
        ratios.append((f"{what} ÷ echo", lambda r: _number(ratio(r.repetitions, r.echo), 2)))
    if any(row.sqlite for row in rows):
        ratios.append((f"{what} ÷ sqlite3", lambda r: _number(ratio(r.repetitions, r.sqlite), 2)))
    title: _Column = ("peer", lambda r: r.title)
    rate: _Column = ("calls/s", _rate)
    times: list[_Column] = [
        ("p50 µs", lambda r: _number(r.percentile_us(50))),
        ("p99 µs", lambda r: _number(r.percentile_us(99))),
    ]
    cpu: _Column = ("CPU µs", lambda r: _number(r.cpu_us))
    if of_time:
        return [title, *times, *ratios, rate, cpu]
    return [title, rate, *ratios, *((*times, cpu) if load.is_timed else ())]


def _rate(result: Result) -> str:
    text = _number(result.calls_per_s)
    return f"{text} ~{result.spread:.0%}" if result.spread >= _SPREAD_SHOWN_FROM else text


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
