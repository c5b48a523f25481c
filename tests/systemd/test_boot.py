import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("target", ["/", "/tmp", "/var/tmp/x", "/run", "/opt/../tmp"])
def test_nothing_real_is_bound_where_a_booted_system_cleans_up(tmp_path: Path, target: str) -> None:
    boot = Path(__file__).with_name("boot")
    refused = subprocess.run([boot, f"-b{tmp_path}:{target}", "true"], cwd="/", capture_output=True)
    assert refused.returncode == 2
    assert b"nothing real may be bound" in refused.stderr
