from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_terminal import Terminal
from tests.support.daemon_process import PATIENCE_S, DaemonProcess


@pytest.fixture
def terminal(large_database: DaemonProcess) -> Iterator[Terminal]:
    terminal = Terminal(large_database)
    yield terminal
    terminal.close()


def test_at_a_terminal_a_bar_shows_rate_and_time_left(terminal: Terminal, backups: Path) -> None:
    with terminal.running("backup", str(backups), "--compress") as process:
        shown = terminal.read_until("removed")
        assert process.wait(PATIENCE_S) == 0
    assert "copying" in shown
    assert "compressing" in shown
    assert "MB/s" in shown
    assert "0:00:0" in shown


def test_what_reads_the_ledger_counts_its_rows(
    terminal: Terminal, large_database: DaemonProcess
) -> None:
    large_database.start()
    with terminal.running("tokens", "usage") as process:
        shown = terminal.read_until("tokens\x1b[0m")
        assert process.wait(PATIENCE_S) == 0
    assert "rows" in shown
