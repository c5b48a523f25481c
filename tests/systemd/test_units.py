from tests.systemd.machine import Machine

_UNITS = "/etc/systemd/system"


def test_systemd_finds_no_fault_with_the_units(machine: Machine) -> None:
    for unit in ("pack-db.socket", "pack-db.service"):
        assert machine.run("systemd-analyze", "verify", f"{_UNITS}/{unit}") == ""


def test_the_service_is_exposed_no_more_than_half_a_point_of_ten(machine: Machine) -> None:
    # Ends with an error above the threshold, in tenths of a point.
    analyze = ("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=5")
    rating = machine.run(*analyze, f"{_UNITS}/pack-db.service")
    assert "Overall exposure level for pack-db.service" in rating


def test_the_service_can_be_enabled(machine: Machine) -> None:
    machine.run("systemctl", "enable", "pack-db.service")
    for unit in ("pack-db.service", "pack-db.socket"):
        assert machine.run("systemctl", "is-enabled", unit).strip() == "enabled"
