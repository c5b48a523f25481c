import shutil

import pytest
from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics

from tests.systemd.installation import PROJECT
from tests.systemd.machine import Machine

_UNITS = "/etc/systemd/system"
_COLLECTOR = "/var/lib/prometheus/node-exporter"
_SERVICE = "pack-db-metrics.service"
_TIMER = "pack-db-metrics.timer"


@pytest.fixture
def metrics(machine: Machine) -> Machine:
    """`machine`, with the metrics installed as docs/operations.md says."""
    machine.run("install", "-d", "-g", "pack-db", "-m", "775", _COLLECTOR)
    for unit in (_SERVICE, _TIMER):
        shutil.copy(PROJECT / "systemd" / unit, machine.path(_UNITS))
    machine.run("systemctl", "daemon-reload")
    return machine


def test_systemd_finds_no_fault_with_the_metrics(metrics: Machine) -> None:
    for unit in (_SERVICE, _TIMER):
        assert metrics.run("systemd-analyze", "verify", f"{_UNITS}/{unit}") == ""
    analyze = ("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=10")
    metrics.run(*analyze, f"{_UNITS}/{_SERVICE}")
    metrics.run("systemctl", "enable", "--now", _TIMER)
    assert metrics.property(_TIMER, "ActiveState") == "active"
    metrics.run("systemctl", "disable", "--now", _TIMER)


def test_the_collector_finds_whole_metrics(metrics: Machine) -> None:
    with metrics.client() as db:
        db.ping()
        metrics.run("systemctl", "start", _SERVICE)
    assert metrics.run("ls", _COLLECTOR).split() == ["pack_db.prom"]
    text = metrics.run("cat", f"{_COLLECTOR}/pack_db.prom")
    for parser in (openmetrics, prometheus):
        families = parser.text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples]
        calls = {s.labels["method"]: s.value for s in samples if s.name == "pack_db_calls_total"}
        assert calls["daemon.ping"] == 1
    assert metrics.run("stat", "-c", "%a", f"{_COLLECTOR}/pack_db.prom").strip() == "644"


def test_a_daemon_that_was_stopped_is_not_started(metrics: Machine) -> None:
    metrics.run("systemctl", "stop", "pack-db.service")
    metrics.run("rm", "-f", f"{_COLLECTOR}/pack_db.prom")
    metrics.run("systemctl", "start", _SERVICE, check=False)
    assert metrics.property("pack-db.service", "ActiveState") == "inactive"
    assert metrics.run("ls", _COLLECTOR) == ""
