import logging
from collections.abc import Callable, Iterator

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
    for _ in range(3):
        logger.warning("one %d", 1)
        logger.error("another")
    assert log.lines == ["one 1", "another"]


def test_what_is_no_warning_is_left_alone(logger: logging.Logger, log: Log) -> None:
    for _ in range(3):
        logger.info("as it is")
    assert log.lines == ["as it is"] * 3


def _fail_here() -> None:
    raise ValueError("here")


def _fail_there() -> None:
    raise ValueError("there")


def _log_failures(logger: logging.Logger, what: str, fail: Callable[[], None], times: int) -> None:
    for number in range(times):
        try:
            fail()
        except ValueError:
            logger.exception("%s (id %s)", what, number)


def test_row_77_each_defect_has_its_traceback(logger: logging.Logger, log: Log) -> None:
    _log_failures(logger, "one failed", _fail_here, 2)
    _log_failures(logger, "one failed", _fail_there, 1)
    _log_failures(logger, "two failed", _fail_here, 1)
    with_traceback = [
        line for line, failure in zip(log.lines, log.failures, strict=True) if failure
    ]
    assert with_traceback == ["one failed (id 0)", "one failed (id 0)", "two failed (id 0)"]
    assert [str(failure) for failure in log.failures if failure] == ["here", "there", "here"]


def test_row_77_a_defect_that_comes_again_has_short_lines_and_then_a_count(
    logger: logging.Logger, log: Log
) -> None:
    _log_failures(logger, "one failed", _fail_here, 1000)
    assert log.lines[:2] == ["one failed (id 0)", "one failed (id 1) (as above)"]
    assert len(log.lines) == 21
    log.now_s = 60
    _log_failures(logger, "one failed", _fail_here, 1)
    assert log.lines[-1] == "one failed (id 0) (and 999 more since it was said last)"
    assert log.failures[-1]
