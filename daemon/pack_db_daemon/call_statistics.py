from collections import deque

from pack_db_client.protocol.daemon_service import MethodStatistics

_SAMPLE = 1024  # calls


class CallStatistics:
    """Counts calls and times the latest ones, by method."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._latest_ns: dict[str, deque[int]] = {}

    def record(self, method: str, elapsed_ns: int, *, failed: bool) -> None:
        self._calls[method] = self._calls.get(method, 0) + 1
        if failed:
            self._failed[method] = self._failed.get(method, 0) + 1
        if method not in self._latest_ns:
            self._latest_ns[method] = deque(maxlen=_SAMPLE)
        self._latest_ns[method].append(elapsed_ns)

    def summary(self) -> list[MethodStatistics]:
        return [
            MethodStatistics(
                method=method,
                calls=self._calls[method],
                failed=self._failed.get(method, 0),
                p50_us=_percentile_us(latest, 50),
                p99_us=_percentile_us(latest, 99),
            )
            for method, latest in sorted(self._latest_ns.items())
        ]


def _percentile_us(latest_ns: deque[int], percent: int) -> float:
    ordered = sorted(latest_ns)
    return ordered[(len(ordered) - 1) * percent // 100] / 1000
