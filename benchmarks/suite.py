from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.adapter import Adapter
from benchmarks.adapters.echo import Echo
from benchmarks.adapters.sqlite3 import PreparedSqlite
from benchmarks.cell import Cell
from benchmarks.environment import environment
from benchmarks.in_flight import describe
from benchmarks.results import Failure, Footprint, Measurement, Mixed, Result, Run
from benchmarks.workload import Load, Operation

_SAMPLE_S = 0.8  # of a yardstick, at most
_READERS = {Operation.GET: 4}
_BOTH = {Operation.GET: 4, Operation.CONSUME: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    peers: Sequence[type[Adapter]]
    loads: Sequence[Load]
    operations: Sequence[Operation]
    seconds: float  # of each measurement
    repetitions: int
    with_yardsticks: bool


class Suite:
    """Measures the peers one after the other under each load.

    The CPUs and the disk of a virtual machine change their speed from minute to minute. So two
    yardsticks are measured just before and after each peer: a raw echo under the same load, and
    for writes prepared sqlite3 in process.

    Args:
        report: told of each peer and load before it is measured.
    """

    def __init__(self, options: Options, directory: Path, report: Callable[[str], None]) -> None:
        self._options = options
        self._directory = directory
        self._report = report

    def run(self) -> Run:
        options = self._options
        run = Run(
            environment=environment(options.peers, self._directory), seconds_each=options.seconds
        )
        for load in options.loads:
            with ExitStack() as stack:
                yardsticks = _Yardsticks(stack, load, options, self._directory)
                for peer in options.peers:
                    if load in peer.loads:
                        self._report(f"{load.description}: {peer.title}")
                        try:
                            self._measure(peer, load, yardsticks, run)
                        except Exception as error:
                            log = "\n".join(getattr(error, "__notes__", ()))
                            run.failures.append(
                                Failure(peer=peer.name, load=load, error=describe(error), log=log)
                            )
                            self._report(f"FAILED: {describe(error)}\n{log}")
        return run

    def _measure(
        self, peer: type[Adapter], load: Load, yardsticks: "_Yardsticks", run: Run
    ) -> None:
        options = self._options
        if load is Load.MEMORY:
            with Cell(peer, load, self._directory) as cell:
                memory, idle = cell.footprint()
            run.footprints.append(
                Footprint(peer=peer.name, title=peer.title, memory_mib=memory, idle_share=idle)
            )
            return
        if load is Load.MIXED:
            with Cell(peer, load, self._directory) as cell:
                turns = [
                    (
                        cell.measure_each(_READERS, options.seconds)[Operation.GET],
                        cell.measure_each(_BOTH, options.seconds),
                    )
                    for _ in range(options.repetitions)
                ]
            run.mixed.append(
                Mixed(
                    peer=peer.name,
                    title=peer.title,
                    alone=[alone.calls_per_s for alone, _ in turns],
                    readers=[both[Operation.GET].calls_per_s for _, both in turns],
                    writers=[both[Operation.CONSUME].calls_per_s for _, both in turns],
                )
            )
            return
        operations = [o for o in options.operations if o in peer.operations]
        echo, sqlite = yardsticks.measure(operations)
        with Cell(peer, load, self._directory) as cell:
            measured = {
                o: [cell.measure(o, options.seconds) for _ in range(options.repetitions)]
                for o in operations
            }
        echo_after, sqlite_after = yardsticks.measure(operations)
        for operation, repetitions in measured.items():
            run.results.append(
                Result(
                    peer=peer.name,
                    title=peer.title,
                    operation=operation,
                    load=load,
                    repetitions=repetitions,
                    echo=echo + echo_after,
                    sqlite=sqlite.get(operation, []) + sqlite_after.get(operation, []),
                )
            )


class _Yardsticks:
    def __init__(self, stack: ExitStack, load: Load, options: Options, directory: Path) -> None:
        self._seconds = min(_SAMPLE_S, options.seconds)
        self._echo: Cell | None = None
        if options.with_yardsticks and load not in (Load.MIXED, Load.MEMORY):
            echoed = Load.IN_FLIGHT if load is Load.BATCHES else load
            self._echo = stack.enter_context(Cell(Echo, echoed, directory))
            self._sqlite = stack.enter_context(Cell(PreparedSqlite, Load.ONE_CLIENT, directory))

    def measure(
        self, operations: Sequence[Operation]
    ) -> tuple[list[Measurement], dict[Operation, list[Measurement]]]:
        """The echo, and each write by sqlite3."""
        if self._echo is None:
            return [], {}
        return [self._echo.measure(Operation.GET, self._seconds)], {
            operation: [self._sqlite.measure(operation, self._seconds)]
            for operation in operations
            if operation is not Operation.GET
        }
