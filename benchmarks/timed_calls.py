import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.errors import describe


@dataclass(slots=True)
class TimedCalls:
    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))
    errors: Counter[str] = field(default_factory=Counter)


def timed_calls(
    call: Callable[[str], object],
    next_argument: Callable[[], str],
    start_at: float,
    warm_up_s: float,
    seconds: float,
) -> TimedCalls:
    """Make one call after the other; those of the warm-up are not counted, unless they fail.

    Args:
        start_at: on CLOCK_MONOTONIC, so that several processes can start at once.
    """
    clock_ns = time.monotonic_ns
    counted_from_ns = int((start_at + warm_up_s) * 1e9)
    end_ns = counted_from_ns + int(seconds * 1e9)
    made = TimedCalls()
    time.sleep(max(0.0, start_at - time.monotonic()))
    while True:
        argument = next_argument()
        began_ns = clock_ns()
        # A call counts where it begins: one that outlasts the measurement must show.
        if began_ns >= end_ns:
            return made
        try:
            call(argument)
        except Exception as error:
            made.errors[describe(error)] += 1
        else:
            if began_ns >= counted_from_ns:
                made.latencies_ns.append(clock_ns() - began_ns)
