from pathlib import Path

import pytest

from tests.support.daemon_process import DaemonProcess


def test_a_daemon_on_sqlite_does_not_load_psycopg(daemon: DaemonProcess) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    loaded = Path(f"/proc/{daemon.pid}/maps").read_text()
    assert "apsw" in loaded
    assert "psycopg" not in loaded
    assert "libpq" not in loaded
