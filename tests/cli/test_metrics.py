import pytest
from prometheus_client import parser as text_format
from prometheus_client.openmetrics import parser as openmetrics

from pack_db.errors import AccountNotFound
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand

NOBODY = "01932c07-9d3e-7c55-8a2f-3f5d0c9b1e42"


def test_what_status_knows_is_scraped(daemon: DaemonProcess, db: PackDb) -> None:
    db.accounts.list_accounts()
    with pytest.raises(AccountNotFound):
        db.tokens.get_balance(NOBODY)
    text = PackDbCommand(daemon).text("metrics")
    status = db.status()
    families = {f.name: f for f in openmetrics.text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    samples = {
        (sample.name, sample.labels.get("method"), sample.labels.get("quantile")): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert families["pack_db_calls"].type == "counter"
    assert samples["pack_db_calls_total", "accounts.list_accounts", None] == 1
    assert samples["pack_db_failed_calls_total", "tokens.get_balance", None] == 1
    assert 0 < samples["pack_db_call_duration_seconds", "accounts.list_accounts", "0.99"] < 60
    assert samples["pack_db_start_time_seconds", None, None] == status.started_at
    assert samples["pack_db_database_size_bytes", None, None] == status.database.size_bytes
    assert samples["pack_db_healthy", None, None] == 1
    assert samples["pack_db_messages_total", None, None] >= 2
    assert samples["pack_db_connections", None, None] >= 1
    [build] = families["pack_db_build_info"].samples
    assert build.labels == {"version": status.version, "engine": status.database.engine}


def test_the_older_format_of_prometheus_reads_it_too(daemon: DaemonProcess) -> None:
    text = PackDbCommand(daemon).text("metrics")
    names = {f.name for f in text_format.text_string_to_metric_families(text)}
    assert {"pack_db_connections", "pack_db_healthy"} <= names
