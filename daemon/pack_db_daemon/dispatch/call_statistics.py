import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field

from pack_db_client.protocol.daemon_service import MethodStatistics

_SAMPLE = 1024  # calls


@dataclass(slots=True)
class _Calls:
    count: int = 0
    failed: int = 0
    latest_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLE))


class CallStatistics:
    """Counts calls and times the latest ones, by method; a call that is done again counts again.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._methods: defaultdict[str, _Calls] = defaultdict(_Calls)

    def record(self, method: str, elapsed_ns: int, *, failed: bool) -> None:
        with self._lock:
            calls = self._methods[method]
            calls.count += 1
            calls.failed += failed
            calls.latest_ns.append(elapsed_ns)

    def summary(self) -> list[MethodStatistics]:
        with self._lock:
            copied = [(m, c.count, c.failed, list(c.latest_ns)) for m, c in self._methods.items()]
        # Sorted outside, as others wait for the lock.
        return [
            MethodStatistics(
                method=method,
                calls=calls,
                failed=failed,
                p50_us=_percentile_us(latest_ns, 50),
                p99_us=_percentile_us(latest_ns, 99),
            )
            for method, calls, failed, latest in sorted(copied)
            for latest_ns in [sorted(latest)]
        ]


def _percentile_us(ordered_ns: list[int], percent: int) -> float:
    return ordered_ns[(len(ordered_ns) - 1) * percent // 100] / 1000
