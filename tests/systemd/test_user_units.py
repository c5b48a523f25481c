import shutil

import pytest

from tests.systemd.installation import PROJECT, VENV
from tests.systemd.machine import Machine


@pytest.fixture
def user(machine: Machine) -> str:
    """Somebody with a service manager of their own, and pack-db where pipx puts it."""
    machine.run("useradd", "--create-home", "somebody")
    uid = machine.run("id", "--user", "somebody").strip()
    units = machine.path("/home/somebody/.config/systemd/user")
    units.mkdir(parents=True)
    for unit in ("pack-db.socket", "pack-db.service"):
        shutil.copy(PROJECT / "systemd/user" / unit, units)
    scripts = machine.path("/home/somebody/.local/bin")
    scripts.mkdir(parents=True)
    (scripts / "pack-db").symlink_to(f"{VENV}/bin/pack-db")
    machine.run("chown", "--recursive", "somebody:", "/home/somebody")
    machine.run("systemctl", "start", f"user@{uid}.service")
    return uid


def test_a_user_runs_a_daemon_of_their_own(machine: Machine, user: str) -> None:
    as_user = ("runuser", "-u", "somebody", "--", "env", f"XDG_RUNTIME_DIR=/run/user/{user}")
    machine.run(*as_user, "systemctl", "--user", "start", "pack-db.socket")
    call = "from pack_db_client import PackDb; s = PackDb(timeout_s=20).status(); print(s)"
    status = machine.run(*as_user, f"{VENV}/bin/python", "-c", call)
    assert f"/run/user/{user}/pack-db.sock" in status
    assert "/home/somebody/.local/state/pack-db/pack-db.db" in status
    main_pid = machine.run(
        *as_user, "systemctl", "--user", "show", "--value", "--property=MainPID", "pack-db.service"
    )
    assert f"pid={main_pid.strip()}," in status
