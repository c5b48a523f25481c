"""Several packages at once: SERVICE_FACTORY names them, and each command takes them all."""

from pathlib import Path

import pytest
from jobs.interface import JobQueue
from settings_store.interface import SettingsStore

from tests.own_services.test_mistakes import MIGRATED, ROW, SERVICE, Start, refused
from tests.own_services.test_mistakes import start as start
from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand
from tests.support.postgres_server import PostgresServer

EXAMPLES = Path(__file__).parents[2] / "examples"
OTHERS = """
class Others(Things):
    @abstractmethod
    def add(self, name: str) -> int: ...

class MemoryOthers(Others):
    def add(self, name: str) -> int:
        return 2

class OtherFactory(ServiceFactory):
    services = ServiceFactory.services | {"others": Others}
    migrations = ServiceFactory.migrations | {"others": Path(__file__).parent}

    def get_services(self):
        return {**super().get_services(), "others": MemoryOthers()}
"""


def test_several_factories_are_served_together(start: Start, short_path: Path) -> None:
    (short_path / "0001_a.py").write_text("def up(migrator, db):\n    pass\n")
    daemon = start(SERVICE + OTHERS, "things:Factory, things:OtherFactory", wait=True)
    command = PackDbCommand(daemon)
    assert command.json("call", "things.add", "name=one") == 1
    assert command.json("call", "others.add", "name=one") == 2
    assert command.json("call", "daemon.ping")
    [*_, last] = command.json("migrate", "status", "--json")
    assert last == {"name": "others/0001_a", "state": "applied"}


@pytest.mark.parametrize(
    ("replaced", "names", "says"),
    [
        (
            ('"others": Others', '"things": Others'),
            "things:Factory,things:OtherFactory",
            "things:OtherFactory: services: things:Factory has 'things', too; rename one",
        ),
        (
            ("Factory(ServiceFactory)", "Factory(Factory)"),
            "things:Factory,things:OtherFactory",
            "things:Factory: cannot be composed with the others: Cannot create a consistent",
        ),
        (("", ""), "things:Factory,", "must have the form package.module:ClassName"),
        (("", ""), "things:Factory,things:Six", "things:Six: module 'things' has no attribute"),
    ],
)
def test_factories_that_clash(
    start: Start, replaced: tuple[str, str], names: str, says: str
) -> None:
    line = refused(start(SERVICE + OTHERS.replace(*replaced), names))
    assert line.startswith("pack-db: SERVICE_FACTORY: ")
    assert says in line


def test_migrations_that_clash(start: Start) -> None:
    migrated = SERVICE.replace(ROW, MIGRATED)
    factories = migrated + OTHERS.replace('{"others": Path(', '{"things": Path(')
    line = refused(start(factories, "things:Factory,things:OtherFactory"))
    assert "things:OtherFactory: migrations: things:Factory has 'things', too; rename one" in line


def test_check_and_move_take_all_of_them(short_path: Path, shared_postgres: PostgresServer) -> None:
    settings = {
        "PYTHONPATH": f"{EXAMPLES / 'jobs'}:{EXAMPLES / 'settings_store'}",
        "SERVICE_FACTORY": "jobs.factory:JobsFactory,settings_store.factory:SettingsFactory",
    }
    daemon = DaemonProcess(short_path, settings)
    command = PackDbCommand(daemon)
    try:
        daemon.start()
        with daemon.client() as db:
            for payload in ("one", "two"):
                db.service("jobs", JobQueue).enqueue(payload)
            [colour] = db.service("settings", SettingsStore).change({"colour": "red"}, "ada")
        daemon.stop()
        checked = command.run("check")
        assert checked.returncode == 0
        assert "as of jobs/0001_tables, settings/0001_tables" in checked.stdout
        url = shared_postgres.new_database()
        moved = command.run("move", DB_URL=url)
        assert (moved.returncode, "jobs" in moved.stdout) == (0, True), moved.stderr
        daemon.environment["DB_URL"] = url
        daemon.start()
        with daemon.client() as db:
            queue = db.service("jobs", JobQueue)
            assert queue.enqueue("three") == 3
            jobs = [queue.claim() for _ in range(4)]
            assert [job and job.payload for job in jobs] == ["one", "two", "three", None]
            assert db.service("settings", SettingsStore).get("colour") == colour
    finally:
        daemon.clean_up()
