import time
from collections.abc import Iterator
from contextlib import contextmanager

_SLACK_S = 10.0  # tests/chaos is more exact: it knows how much is the machine's doing


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""
    started = time.monotonic()
    yield
    elapsed_s = time.monotonic() - started
    assert elapsed_s < seconds + _SLACK_S, f"took {elapsed_s:.2f} s instead of {seconds}"
