"""Results as the rows of a Markdown table."""

from collections.abc import Callable, Sequence

from benchmarks.environment import is_busy
from benchmarks.results import Result

_SPREAD_SHOWN_FROM = 0.2

Column = tuple[str, Callable[[Result], str]]


def table(columns: Sequence[Column], rows: Sequence[Result]) -> str:
    cells = [[heading for heading, _ in columns]]
    cells += [[cell(row) for _, cell in columns] for row in rows]
    return markdown(cells)


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


def ratio_column(heading: str, ratio: Callable[[Result], float | None]) -> Column:
    def cell(result: Result) -> str:
        value = ratio(result)
        return "" if value is None else f"{value:.2f}"

    return heading, cell


def _rate(result: Result) -> str:
    text = f"{result.calls_per_s:,.0f}"
    if result.spread >= _SPREAD_SHOWN_FROM:
        text += f" ~{result.spread:.0%}"
    return f"!{text}" if is_busy(result.others_busy) else text


def _percentile(percentile: float) -> Callable[[Result], str]:
    def cell(result: Result) -> str:
        value = result.percentile_us(percentile)
        return "" if value is None else f"{value:,.0f}"

    return cell


TITLE: Column = ("peer", lambda result: result.title)
WAY: Column = ("way", lambda result: result.way or "")
RATE: Column = ("calls/s", _rate)
P50: Column = ("p50 µs", _percentile(50))
P99: Column = ("p99 µs", _percentile(99))
