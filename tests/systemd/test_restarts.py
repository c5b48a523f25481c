import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pack_db_client import CreateAccountInput
from tests.daemon_life import waiting_daemon
from tests.support.daemon_process import PATIENCE_S
from tests.systemd.installation import VENV, Installation
from tests.systemd.load import Load
from tests.systemd.machine import Machine

_SERVICE = "pack-db.service"


def _wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def _kill(machine: Machine) -> None:
    killed = machine.property(_SERVICE, "MainPID")
    machine.run("systemctl", "kill", "--signal=KILL", _SERVICE)
    _wait_until(lambda: machine.property(_SERVICE, "MainPID") not in (killed, "0"))


def test_the_first_message_starts_the_daemon(machine: Machine) -> None:
    assert machine.property(_SERVICE, "ActiveState") == "inactive"
    with machine.client() as db:
        assert db.ping()
    assert machine.property(_SERVICE, "ActiveState") == "active"
    assert "/var/lib/pack-db/pack-db.db" in machine.property(_SERVICE, "StatusText")


def test_restarts_lose_no_call(machine: Machine) -> None:
    with Load(machine.client) as load:
        for _ in range(20):
            machine.run("systemctl", "restart", _SERVICE)
            load.wait_for_progress()
        load.check()


def test_a_killed_daemon_comes_back_and_loses_no_call(machine: Machine) -> None:
    kills = 5
    with Load(machine.client) as load:
        for _ in range(kills):
            _kill(machine)
            load.wait_for_progress()
        load.check()
    assert machine.property(_SERVICE, "NRestarts") == str(kills)


def test_a_stopped_daemon_is_started_by_the_next_call(machine: Machine) -> None:
    with machine.client() as db:
        assert db.ping()
        machine.run("systemctl", "stop", _SERVICE)
        assert db.ping()


def test_the_watchdog_restarts_a_hung_loop_and_the_write_is_applied_once(
    machine: Machine,
) -> None:
    drop_in = machine.path(f"/etc/systemd/system/{_SERVICE}.d")
    drop_in.mkdir()
    (drop_in / "hang.conf").write_text(
        "[Service]\nWatchdogSec=3s\n"
        f"ExecStart=\nExecStart={VENV}/bin/python /opt/waiting_daemon.py\n"
    )
    shutil.copy(Path(waiting_daemon.__file__), machine.path("/opt"))
    machine.run("systemctl", "daemon-reload")
    with machine.client() as db, ThreadPoolExecutor() as pool:
        account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
        answer = pool.submit(db.tokens.consume_tokens, account.id, 10)
        _wait_until(lambda: machine.property(_SERVICE, "NRestarts") != "0")
        machine.path("/var/lib/pack-db/go").touch()
        assert answer.result().token_remaining == account.token_remaining - 10
        assert len(db.tokens.list_entries(account.id)) == 2  # the first allowance, and this one
    journal = machine.journal(_SERVICE)
    assert "Watchdog timeout" in journal
    assert "in consume_tokens" in journal  # where it hung


def test_a_daemon_that_cannot_start_says_why_and_does_not_strand_the_socket(
    machine: Machine,
) -> None:
    settings = machine.path("/etc/pack-db/.env")
    settings.parent.mkdir()
    settings.write_text("DB_SYNCHRONOUS=MAYBE\n")
    with machine.client() as db, ThreadPoolExecutor() as pool:
        answer = pool.submit(db.ping)
        # More often than systemd's own limits, of 5 starts and 20 activations, would allow.
        _wait_until(lambda: int(machine.property(_SERVICE, "NRestarts")) > 6)
        assert machine.property("pack-db.socket", "ActiveState") == "active"
        settings.write_text("DB_SYNCHRONOUS=FULL\n")
        assert answer.result()
    assert "DB_SYNCHRONOUS: must be one of FULL, NORMAL, EXTRA" in machine.journal(_SERVICE)


def test_reload_changes_the_log_level(machine: Machine) -> None:
    settings = machine.path("/etc/pack-db/.env")
    with machine.client() as db:
        assert db.ping()
        pid = db.status().pid
        settings.write_text("LOG_LEVEL=DEBUG\n")
        machine.run("systemctl", "reload", _SERVICE)
        _wait_until(lambda: "re-read the log level: DEBUG" in machine.journal(_SERVICE))
        assert db.status().pid == pid


def test_the_package_is_upgraded_in_place_under_load(
    machine: Machine, installation: Installation, tmp_path: Path
) -> None:
    wheel = installation.wheel_of_version("99.0", tmp_path)
    shutil.copy(wheel, machine.path("/opt"))
    with Load(machine.client) as load, machine.client() as db:
        assert db.ping() != "99.0"
        machine.run(f"{VENV}/bin/pip", "install", "--quiet", "--no-deps", f"/opt/{wheel.name}")
        load.wait_for_progress()
        machine.run("systemctl", "restart", _SERVICE)
        load.wait_for_progress()
        assert db.ping() == "99.0"
        load.check()
