import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pack_db.config import ConfigKeys
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

README = (Path(__file__).parents[2] / "README.md").read_text()
SCRIPTS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(script: str, environment: dict[str, str], directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_client_examples_run_against_a_daemon(daemon: DaemonProcess) -> None:
    clients = [script for script in SCRIPTS if "pack_db_client" in script]
    assert len(clients) == 3
    first, *others = (run(script, daemon.environment, daemon.directory) for script in clients)
    assert first.split()[-2:] == ["880", "880"]
    assert all(others)


def test_the_example_without_a_daemon_runs(tmp_path: Path) -> None:
    [script] = [script for script in SCRIPTS if "ServiceFactory" in script]
    run(script, {"PATH": os.environ["PATH"], "DB_PATH": str(tmp_path / "pack.db")}, tmp_path)


@pytest.mark.parametrize("key", ConfigKeys)
def test_every_setting_is_in_the_table(key: ConfigKeys) -> None:
    assert f"`{key}`" in README
