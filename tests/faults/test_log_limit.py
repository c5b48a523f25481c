import logging
from collections.abc import Iterator

import pytest

from pack_db_daemon.log_limit import LogLimit


class Log(logging.Handler):
    """Keeps its lines; its clock is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.now_s = 0.0
        self.addFilter(LogLimit(lambda: self.now_s))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


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
