import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.adapter import Adapter
from benchmarks.cell import Cell
from benchmarks.environment import environment
from benchmarks.errors import describe
from benchmarks.results import Failure, Measurement, Result, Run
from benchmarks.workload import Durability, Operation, Shape
from benchmarks.yardsticks import Yardsticks

_WARM_UP_S = 0.3
_SAMPLE_S = 0.8  # of a yardstick, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    peers: Sequence[type[Adapter]]
    shapes: Sequence[Shape]
    operations: Sequence[Operation]
    durabilities: Sequence[Durability]
    seconds: float  # of each measurement
    repetitions: int
    quiet_patience_s: float


class Suite:
    """Measures one peer after the other.

    Args:
        report: told of every result and failure when it is there.
    """

    def __init__(
        self, options: Options, directory: Path, report: Callable[[Result | Failure], None]
    ) -> None:
        self._options = options
        self._directory = directory
        self._report = report
        self._results: list[Result] = []
        self._failures: list[Failure] = []

    def run(self) -> Run:
        options = self._options
        began = time.monotonic()
        machine = environment(options.peers, self._directory)
        sample_s = min(_SAMPLE_S, options.seconds)
        with Yardsticks(self._directory, sample_s, options.quiet_patience_s) as yardsticks:
            for peer in options.peers:
                for shape in options.shapes:
                    for durability, operations in self._plan(peer):
                        self._measure(peer, durability, shape, operations, yardsticks)
        return Run(
            environment=machine,
            seconds_each=options.seconds,
            results=self._results,
            failures=self._failures,
            seconds=time.monotonic() - began,
        )

    def _plan(self, peer: type[Adapter]) -> Iterator[tuple[Durability, list[Operation]]]:
        operations = [o for o in self._options.operations if o in peer.operations]
        for durability in self._options.durabilities:
            if durability in peer.durabilities and operations:
                yield durability, operations
                # Reads are the same at either durability.
                operations = [o for o in operations if o is not Operation.GET]

    def _measure(
        self,
        peer: type[Adapter],
        durability: Durability,
        shape: Shape,
        operations: Sequence[Operation],
        yardsticks: Yardsticks,
    ) -> None:
        durable_writes = [
            operation
            for operation in operations
            if durability is Durability.DURABLE and operation is not Operation.GET
        ]
        cell = Cell(peer, durability, shape, self._directory)
        ways: list[str | None] = [*cell.ways] if shape is Shape.IN_FLIGHT else [None]
        if not ways:
            return
        before = yardsticks.sample(shape, durable_writes)
        measured: dict[tuple[Operation, str | None], list[Measurement]] = {}
        try:
            with cell:
                for operation in operations:
                    for way in ways:
                        measured[operation, way] = [
                            cell.measure(operation, way, _WARM_UP_S, self._options.seconds)
                            for _ in range(self._options.repetitions)
                        ]
        except Exception as error:
            failure = Failure(
                peer=peer.name,
                durability=durability,
                shape=shape,
                error=describe(error),
                log=cell.log_tail,
            )
            self._failures.append(failure)
            self._report(failure)
        after = yardsticks.sample(shape, durable_writes)
        for (operation, way), repetitions in measured.items():
            result = Result(
                peer=peer.name,
                title=peer.title,
                operation=operation,
                durability=durability,
                shape=shape,
                way=way,
                repetitions=repetitions,
                echo=[before.echo, after.echo],
                sqlite=[
                    sample.sqlite[operation]
                    for sample in (before, after)
                    if operation in sample.sqlite
                ],
                others_busy=max(before.others_busy, after.others_busy),
            )
            self._results.append(result)
            self._report(result)
