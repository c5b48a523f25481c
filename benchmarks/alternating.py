"""Two callers compared by turns, so that a change of the machine's speed meets both."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks.percentiles import PERCENTILES, percentiles_us
from benchmarks.timed_calls import timed_calls

_WARM_UP_S = 0.1
_P50, _P99 = PERCENTILES.index(50), PERCENTILES.index(99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    title: str
    call: Callable[[str], object]
    next_argument: Callable[[], str]


@dataclass(slots=True)
class _Turns:
    p50_us: list[float]
    p99_us: list[float]


def compare(first: Side, second: Side, turns: int, seconds: float) -> str:
    """A line for each side, and one for what the second takes beside the first."""
    measured = {first.title: _Turns([], []), second.title: _Turns([], [])}
    for turn in range(turns):
        for side in (first, second) if turn % 2 else (second, first):
            made = timed_calls(side.call, side.next_argument, time.monotonic(), _WARM_UP_S, seconds)
            if made.errors:
                raise RuntimeError(f"{side.title}: {dict(made.errors)}")
            if not made.latencies_ns:
                raise RuntimeError(f"{side.title}: no call was answered in {seconds:g} s")
            at = percentiles_us(made.latencies_ns)
            measured[side.title].p50_us.append(at[_P50])
            measured[side.title].p99_us.append(at[_P99])
    lines = [
        f"{title}: p50 {median(found.p50_us):.1f} µs, p99 {median(found.p99_us):.1f} µs"
        for title, found in measured.items()
    ]
    ratios = sorted(
        ours / theirs
        for theirs, ours in zip(
            measured[first.title].p50_us, measured[second.title].p50_us, strict=True
        )
    )
    lines.append(
        f"p50, {second.title} ÷ {first.title}: {median(ratios):.3f}, median of {turns} turns "
        f"from {ratios[0]:.3f} to {ratios[-1]:.3f}"
    )
    return "\n".join(lines)
