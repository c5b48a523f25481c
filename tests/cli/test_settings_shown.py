import json
from pathlib import Path

from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand


def shown(command: PackDbCommand, **settings: str) -> dict[str, tuple[str, str]]:
    done = command.run("config", "--json", **settings)
    rows = json.loads(done.stdout)
    return {row["name"]: (row["value"], row["source"]) for row in rows}


def test_every_setting_is_shown_with_where_it_comes_from(short_path: Path) -> None:
    (short_path / ".env").write_text("WORKERS=3\nLOG_LEVEL=DEBUG\n")
    found = shown(PackDbCommand(DaemonProcess(short_path, {})), LOG_LEVEL="ERROR")
    assert found["WORKERS"] == ("3", ".env")
    assert found["LOG_LEVEL"] == ("ERROR", "environment")
    assert found["ZMQ_TIMEOUT_MS"] == ("5000", "default")


def test_a_password_is_never_shown(short_path: Path) -> None:
    command = PackDbCommand(DaemonProcess(short_path, {}))
    for url, masked in (
        ("postgresql://app:s3cret@db/app", "postgresql://app:***@db/app"),
        ("postgresql://app@db/app?password=s3cret", "postgresql://app@db/app?password=***"),
        ("postgresql://app:s3cret@with@two/at", "***"),
        ("app:s3cret", "***"),
    ):
        assert shown(command, DB_URL=url)["DB_URL"] == (masked, "environment")
        assert "s3cret" not in command.run("config", DB_URL=url).stderr


def test_a_wrong_setting_is_shown_and_is_exit_code_5(short_path: Path) -> None:
    done = PackDbCommand(DaemonProcess(short_path, {})).run("config", WORKERS="many")
    assert done.returncode == 5
    assert "many" in done.stdout
    assert done.stderr.startswith("pack-db: WORKERS: must be a whole number")
