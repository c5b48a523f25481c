"""What a run found, as it is written to JSON."""

from dataclasses import dataclass, field
from statistics import median

from benchmarks.percentiles import PERCENTILES
from benchmarks.workload import Durability, Operation, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    calls_per_s: float
    percentiles_us: list[float]  # at PERCENTILES; empty where calls were not timed one by one
    errors: dict[str, int] = field(default_factory=dict)

    def percentile_us(self, percentile: float) -> float | None:
        return self.percentiles_us[PERCENTILES.index(percentile)] if self.percentiles_us else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One operation of one peer, measured several times."""

    peer: str
    title: str
    operation: Operation
    durability: Durability
    shape: Shape
    way: str | None  # how the calls were kept in flight
    repetitions: list[Measurement]
    echo: list[Measurement]  # the same shape, just before and just after
    sqlite: list[Measurement]  # the same write by prepared sqlite3 in process, before and after
    others_busy: float  # share of all CPU time that other processes took just before or after

    @property
    def calls_per_s(self) -> float:
        return median(m.calls_per_s for m in self.repetitions)

    def percentile_us(self, percentile: float) -> float | None:
        return _median_percentile(self.repetitions, percentile)

    @property
    def spread(self) -> float:
        """Best less worst repetition, as a share of the median rate."""
        rates = [m.calls_per_s for m in self.repetitions]
        return (max(rates) - min(rates)) / self.calls_per_s if self.calls_per_s else 0.0

    def rate_ratio(self, yardstick: list[Measurement]) -> float | None:
        if not yardstick:
            return None
        return self.calls_per_s / (sum(m.calls_per_s for m in yardstick) / len(yardstick))

    def p50_ratio(self, yardstick: list[Measurement]) -> float | None:
        ours, theirs = self.percentile_us(50), _median_percentile(yardstick, 50)
        return ours / theirs if ours and theirs else None

    @property
    def errors(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for measurement in self.repetitions:
            for error, count in measurement.errors.items():
                total[error] = total.get(error, 0) + count
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A peer that could not be measured."""

    peer: str
    durability: Durability
    shape: Shape
    error: str
    log: str  # the end of what the server wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    environment: dict[str, str]
    seconds_each: float  # of each measurement
    results: list[Result]
    failures: list[Failure]
    seconds: float


def _median_percentile(measurements: list[Measurement], percentile: float) -> float | None:
    values = [m.percentile_us(percentile) for m in measurements]
    known = [value for value in values if value is not None]
    return median(known) if known else None
