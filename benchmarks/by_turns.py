"""Several ways to run a peer, measured by turns: a change of the machine's speed meets all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.adapter import Adapter
from benchmarks.cell import Cell
from benchmarks.environment import others_busy
from benchmarks.errors import describe
from benchmarks.results import Measurement, Result
from benchmarks.workload import Durability, Operation, Shape

_WARM_UP_S = 0.3
_WAY = "asyncio"  # of the ways to keep many calls in flight, the one that all have


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    title: str
    peer: str
    make: Callable[[Path, Durability], Adapter]
    operations: Sequence[Operation] = (Operation.GET, Operation.CONSUME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    count: int
    seconds: float  # of each measurement
    quiet_patience_s: float


def measure_by_turns(
    sides: Sequence[Side], turns: Turns, directory: Path, report: Callable[[str], None]
) -> list[Result]:
    """Durable, under every shape of load; a repetition of a result is its turn.

    Raises:
        RuntimeError: a side could not be measured.
    """
    measured: dict[tuple[Operation, Shape, Side], list[Measurement]] = {
        (operation, shape, side): []
        for operation in Operation
        for shape in Shape
        for side in sides
        if operation in side.operations
    }
    busy = dict.fromkeys(Shape, 0.0)
    for turn in range(turns.count):
        for shape in Shape:
            busy[shape] = max(busy[shape], others_busy(turns.quiet_patience_s))
            for side in reversed(sides) if turn % 2 else sides:
                report(f"turn {turn + 1} of {turns.count}, {shape.description}: {side.title}")
                for operation, found in _measure(side, shape, turns.seconds, directory):
                    measured[operation, shape, side].append(found)
    return [
        Result(
            peer=side.peer,
            title=side.title,
            operation=operation,
            durability=Durability.DURABLE,
            shape=shape,
            way=_WAY if shape is Shape.IN_FLIGHT else None,
            repetitions=repetitions,
            echo=[],
            sqlite=[],
            others_busy=busy[shape],
        )
        for (operation, shape, side), repetitions in measured.items()
    ]


def ratio(ours: Result, theirs: Result) -> float | None:
    """Median over the turns: of p50 for one client, else of the rates."""
    if ours.shape is Shape.ONE_CLIENT:
        pairs = [
            (a.percentile_us(50), b.percentile_us(50))
            for a, b in zip(ours.repetitions, theirs.repetitions, strict=True)
        ]
    else:
        pairs = [
            (a.calls_per_s, b.calls_per_s)
            for a, b in zip(ours.repetitions, theirs.repetitions, strict=True)
        ]
    known = [a / b for a, b in pairs if a is not None and b]
    return median(known) if known else None


def _measure(
    side: Side, shape: Shape, seconds: float, directory: Path
) -> list[tuple[Operation, Measurement]]:
    cell = Cell(side.make, Durability.DURABLE, shape, directory)
    way = _WAY if shape is Shape.IN_FLIGHT else None
    try:
        with cell:
            return [(o, cell.measure(o, way, _WARM_UP_S, seconds)) for o in side.operations]
    except Exception as error:
        where = f"{side.title}, {shape.description}"
        raise RuntimeError(f"{where}: {describe(error)}\n{cell.log_tail}") from error
