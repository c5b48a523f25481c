from collections.abc import Iterable

PERCENTILES = (*range(1, 100), 99.9, 100)


def percentiles_us(latencies_ns: Iterable[int]) -> list[float]:
    """Microseconds at PERCENTILES; nothing if there are no latencies."""
    ordered = sorted(latencies_ns)
    if not ordered:
        return []
    last = len(ordered) - 1
    return [round(ordered[int(last * percentile / 100)] / 1e3, 1) for percentile in PERCENTILES]
