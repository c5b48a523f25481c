import shutil

import pytest

from tests.systemd import probe
from tests.systemd.installation import PROJECT, VENV
from tests.systemd.machine import Machine

_PROBE = (f"{VENV}/bin/python", "/opt/probe.py")
_CALL = "from pack_db_client import PackDb; print(PackDb('/run/pack-db.sock', timeout_s=20).ping())"


@pytest.fixture
def probed(machine: Machine) -> Machine:
    """A machine whose service is the probe, in the very sandbox of the daemon."""
    shutil.copy(str(probe.__file__), machine.path("/opt"))
    machine.path("/home/secret").write_text("secret")
    drop_in = machine.path("/etc/systemd/system/pack-db.service.d")
    drop_in.mkdir()
    (drop_in / "probe.conf").write_text(
        f"[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart={' '.join(_PROBE)}\n"
    )
    machine.run("systemctl", "daemon-reload")
    return machine


def _probe_in_sandbox(machine: Machine) -> list[str]:
    machine.run("systemctl", "start", "pack-db.service")
    lines = machine.journal("pack-db.service").splitlines()
    assert "probed" in lines
    return [line for line in lines if line.startswith("succeeded")]


def test_the_daemon_can_neither_read_home_nor_reach_the_network(probed: Machine) -> None:
    outside = probed.run(*_PROBE)
    for attempt in ("_read_home", "_open_internet_socket", "_write_etc"):
        assert f"succeeded: {attempt}" in outside
    assert _probe_in_sandbox(probed) == []


def test_the_drop_in_for_postgresql_opens_the_network_only(probed: Machine) -> None:
    drop_in = probed.path("/etc/systemd/system/pack-db.service.d")
    shutil.copy(PROJECT / "systemd/postgresql.conf", drop_in)
    probed.run("systemctl", "daemon-reload")
    assert _probe_in_sandbox(probed) == ["succeeded: _open_internet_socket"]


def test_the_group_gets_in_and_others_are_told_so(machine: Machine) -> None:
    machine.run("useradd", "--groups=pack-db", "member")
    machine.run("useradd", "outsider")
    call = (f"{VENV}/bin/python", "-c", _CALL)
    with machine.client() as db:
        assert machine.run("runuser", "-u", "member", "--", *call).strip() == db.ping()
    refused = machine.run("runuser", "-u", "outsider", "--", *call, check=False)
    assert "PermissionDenied: no permission on the socket /run/pack-db.sock" in refused
