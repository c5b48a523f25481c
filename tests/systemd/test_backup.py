import shutil

import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from tests.systemd.installation import PROJECT, VENV
from tests.systemd.machine import Machine

_UNITS = "/etc/systemd/system"
_BACKUPS = "/var/backups/pack-db"
_SERVICE = "pack-db-backup.service"
_TIMER = "pack-db-backup.timer"


@pytest.fixture
def backups(machine: Machine) -> Machine:
    """`machine`, with the nightly backup installed as docs/systemd.md says."""
    for unit in (_SERVICE, _TIMER):
        shutil.copy(PROJECT / "systemd" / unit, machine.path(_UNITS))
    machine.run("install", "-d", "-o", "pack-db", "-g", "pack-db", "-m", "700", _BACKUPS)
    machine.run("systemctl", "daemon-reload")
    return machine


def test_systemd_finds_no_fault_with_the_backup(backups: Machine) -> None:
    for unit in (_SERVICE, _TIMER):
        assert backups.run("systemd-analyze", "verify", f"{_UNITS}/{unit}") == ""
    analyze = ("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=10")
    backups.run(*analyze, f"{_UNITS}/{_SERVICE}")
    backups.run("systemctl", "enable", "--now", _TIMER)
    assert backups.property(_TIMER, "ActiveState") == "active"
    assert backups.property(_TIMER, "Unit") == _SERVICE


def test_the_backup_is_made_beside_the_daemon_and_can_be_restored(backups: Machine) -> None:
    with backups.client() as db:
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        backups.run("systemctl", "start", _SERVICE)
        assert backups.property(_SERVICE, "Result") == "success"
        db.accounts.delete_account(account.id)
        backups.run("systemctl", "stop", "pack-db.socket", "pack-db.service")
        [made] = backups.run("sh", "-c", f"ls {_BACKUPS}/*.db").split()
        database = "DB_PATH=/var/lib/pack-db/pack-db.db"
        as_daemon = ("runuser", "-u", "pack-db", "--", "env", database, f"{VENV}/bin/pack-db")
        backups.run(*as_daemon, "restore", made)
        backups.run("systemctl", "start", "pack-db.socket")
        assert db.accounts.authenticate(account.api_key).id == account.id
