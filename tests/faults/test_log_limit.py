import logging
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from pack_db_daemon.process.log_limit import LogLimit


class Log(logging.Handler):
    """Keeps its lines; its clock is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.failures: list[BaseException | None] = []
        self.now_s = 0.0
        self.addFilter(LogLimit(lambda: self.now_s))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.failures.append(record.exc_info[1] if record.exc_info else None)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("pack_db_daemon.under_test")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers.clear()


@pytest.fixture
def log(logger: logging.Logger) -> Log:
    log = Log()
    logger.addHandler(log)
    return log


def test_a_kind_of_line_comes_at_once_and_then_once_a_minute_with_a_count(
    logger: logging.Logger, log: Log
) -> None:
    for second in range(121):
        log.now_s = second
        logger.warning("user %d was refused", second)
    assert log.lines == [
        "user 0 was refused",
        "user 60 was refused (and 59 more since it was said last)",
        "user 120 was refused (and 59 more since it was said last)",
    ]


def test_each_kind_counts_for_itself(logger: logging.Logger, log: Log) -> None:
    for _ in range(30):
        logger.warning("one %d", 1)
        logger.error("another")
    assert log.lines == ["one 1", "another"]


def test_what_is_no_warning_is_left_alone(logger: logging.Logger, log: Log) -> None:
    for _ in range(30):
        logger.info("as it is")
    assert log.lines == ["as it is"] * 30


def test_any_number_of_kinds_takes_little_memory() -> None:
    limit = LogLimit()
    tracemalloc.start()
    for number in range(20_000):
        record = {"levelno": logging.WARNING, "msg": f"kind {number}"}
        assert limit.filter(logging.makeLogRecord(record))
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 2**20


def _fail_here(value: object) -> None:
    raise ValueError(f"here: {value}")


def _fail_there(value: object) -> None:
    raise ValueError(f"there: {value}")


def _fail_with_a_cause(fail: Callable[[object], None]) -> None:
    try:
        fail(0)
    except ValueError as exc:
        raise RuntimeError("wrapped") from exc


def _fail_deeply(depth: int) -> None:
    if depth == 0:
        raise ValueError("deep")
    _fail_deeply(depth - 1)


def _log_failure(logger: logging.Logger, what: str, fail: Callable[[], object]) -> None:
    try:
        fail()
    except Exception:
        logger.exception(f"{what} (id %d)", 1)


def test_row_77_a_new_defect_has_its_traceback_whatever_floods_the_log(
    logger: logging.Logger, log: Log
) -> None:
    def flooded_by(fail: Callable[[], object], what: str = "one failed") -> bool:
        log.failures.clear()
        for _ in range(1000):
            _log_failure(logger, what, fail)
        assert None not in log.failures
        return len(log.failures) == 20

    assert flooded_by(lambda: _fail_here(0))  # each time at a place of its own: the lambda
    assert flooded_by(lambda: _fail_there(0))
    assert flooded_by(lambda: int("no number"))
    assert flooded_by(lambda: _fail_with_a_cause(_fail_here))
    same_place = partial(_fail_with_a_cause, _fail_here)
    assert flooded_by(same_place)
    assert flooded_by(same_place, "two failed")
    assert flooded_by(partial(_fail_with_a_cause, _fail_there))  # the cause is another


def test_row_77_values_from_outside_make_no_new_defects(logger: logging.Logger, log: Log) -> None:
    for number in range(200):
        _log_failure(logger, "one failed", partial(_fail_here, number))
    assert len(log.lines) == 20
    for depth in range(1, 200):
        _log_failure(logger, "one failed", partial(_fail_deeply, depth))
    assert len(log.lines) == 40


def test_row_77_a_defect_that_comes_again_is_shown_again_a_minute_later(
    logger: logging.Logger, log: Log
) -> None:
    for _ in range(1000):
        _log_failure(logger, "one failed", partial(_fail_here, 0))
    log.now_s = 60
    _log_failure(logger, "one failed", partial(_fail_here, 0))
    assert log.lines[-1] == "one failed (id 1) (and 980 more since it was said last)"
    assert log.failures[-1]
