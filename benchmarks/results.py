"""What a run found, as it is written to JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

from benchmarks.workload import Load, Operation

PERCENTILES = (1, 25, 50, 75, 99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    calls_per_s: float
    percentiles_us: dict[int, float] = field(default_factory=dict)  # of calls timed one by one
    cpu_us: float | None = None  # of a call: client and server, of all processes
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One operation of one peer, measured several times."""

    peer: str
    title: str
    operation: Operation
    load: Load
    repetitions: list[Measurement]
    echo: list[Measurement] = field(default_factory=list)  # the same load, just before and after
    sqlite: list[Measurement] = field(default_factory=list)  # prepared sqlite3 in process, as well

    @property
    def calls_per_s(self) -> float:
        return median(m.calls_per_s for m in self.repetitions)

    @property
    def cpu_us(self) -> float | None:
        return _median(m.cpu_us for m in self.repetitions)

    def percentile_us(self, percentile: int) -> float | None:
        return percentile_us(self.repetitions, percentile)

    @property
    def spread(self) -> float:
        """Best less worst repetition, as a share of the median rate."""
        rates = [m.calls_per_s for m in self.repetitions]
        return (max(rates) - min(rates)) / self.calls_per_s if self.calls_per_s else 0.0

    @property
    def errors(self) -> list[str]:
        return [f"{error}: {n}" for m in self.repetitions for error, n in m.errors.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """Four readers by themselves and then beside four writers; calls a second."""

    peer: str
    title: str
    alone: list[float]
    readers: list[float]
    writers: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a server takes after 20,000 calls of one client."""

    peer: str
    title: str
    memory_mib: float
    idle_share: float  # of one CPU, while nobody calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A peer that could not be measured."""

    peer: str
    load: Load
    error: str
    log: str  # the end of what the server wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    environment: dict[str, str]
    seconds_each: float  # of each measurement
    results: list[Result] = field(default_factory=list)
    mixed: list[Mixed] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def rate_ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float | None:
    if not theirs:
        return None
    return median(m.calls_per_s for m in ours) / mean(m.calls_per_s for m in theirs)


def p50_ratio(ours: Sequence[Measurement], theirs: Sequence[Measurement]) -> float | None:
    mine, other = percentile_us(ours, 50), percentile_us(theirs, 50)
    return mine / other if mine and other else None


def percentile_us(measured: Sequence[Measurement], percentile: int) -> float | None:
    return _median(m.percentiles_us.get(percentile) for m in measured)


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
