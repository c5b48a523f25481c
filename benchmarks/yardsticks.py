from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.adapters.echo import Echo
from benchmarks.adapters.in_process import PreparedSqlite
from benchmarks.cell import Cell
from benchmarks.environment import others_busy
from benchmarks.results import Measurement
from benchmarks.workload import Durability, Operation, Shape

_WARM_UP_S = 0.2


@dataclass(frozen=True, slots=True)
class Sample:
    echo: Measurement
    sqlite: dict[Operation, Measurement]
    others_busy: float


class Yardsticks:
    """What every figure is compared with: a raw echo, and for durable writes prepared sqlite3 in
    process at synchronous=FULL.

    The CPUs and the disk of a virtual machine change their speed from minute to minute, so both
    are measured again beside each cell.

    Args:
        quiet_patience_s: seconds to wait, before each sample, until other processes are quiet.
    """

    def __init__(self, directory: Path, seconds: float, quiet_patience_s: float) -> None:
        self._directory = directory
        self._seconds = seconds
        self._quiet_patience_s = quiet_patience_s
        self._running: dict[tuple[type, Shape], Cell] = {}
        self._stack = ExitStack()

    def sample(self, shape: Shape, durable_writes: Sequence[Operation]) -> Sample:
        busy = others_busy(self._quiet_patience_s)
        echo = self._cell(Echo, shape)
        way = echo.ways[0] if shape is Shape.IN_FLIGHT else None
        return Sample(
            self._measure(echo, Operation.GET, way),
            {
                operation: self._measure(
                    self._cell(PreparedSqlite, Shape.ONE_CLIENT), operation, None
                )
                for operation in durable_writes
            },
            busy,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _cell(self, peer: type[Echo] | type[PreparedSqlite], shape: Shape) -> Cell:
        if (peer, shape) not in self._running:
            cell = Cell(peer, Durability.DURABLE, shape, self._directory)
            self._running[peer, shape] = self._stack.enter_context(cell)
        return self._running[peer, shape]

    def _measure(self, cell: Cell, operation: Operation, way: str | None) -> Measurement:
        return cell.measure(operation, way, _WARM_UP_S, self._seconds)
