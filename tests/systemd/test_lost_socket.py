from tests.faults.conditions import wait_until
from tests.systemd.machine import Machine


def test_a_removed_socket_is_said_and_made_anew_by_a_restart_of_its_unit(machine: Machine) -> None:
    machine.run("systemctl", "start", "pack-db.service")
    machine.path("/run/pack-db.sock").unlink()
    reason = "the socket /run/pack-db.sock was removed or replaced"
    wait_until(
        lambda: machine.journal("pack-db.service").count(reason) > 1, "each new daemon says so"
    )
    assert machine.property("pack-db.service", "StatusText").startswith(reason)
    machine.run("systemctl", "restart", "pack-db.socket")
    with machine.client() as db:
        assert db.ping()
