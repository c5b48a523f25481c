import glob
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import account_store
from benchmarks.accounts import rows
from benchmarks.adapter import wait_for
from benchmarks.workload import Durability

USER = "postgres"
STOP_SIGNAL = signal.SIGINT  # what PostgreSQL calls a fast shutdown
_STOP_PATIENCE_S = 20.0


class PostgresCluster:
    """A PostgreSQL server with all accounts, on a unix socket in its directory.

    Args:
        directory: empty; the directory above it lasts for the whole run and is for templates.
    """

    def __init__(self, directory: Path, durability: Durability) -> None:
        self.directory = directory
        self.durability = durability

    @property
    def conninfo(self) -> str:
        return f"host={self.directory} dbname=postgres user={USER}"

    def prepare(self) -> None:
        template = self.directory.parent / "postgres-template"
        if os.geteuid() == 0:
            shutil.chown(self.directory, USER, USER)
        if not template.exists():
            self._make()
            self._data.rename(template)
        subprocess.run(["cp", "--archive", str(template), str(self._data)], check=True)
        # Else the first measurement would pay for writing the copy.
        subprocess.run(["sync", "--file-system", str(self._data)], check=True)

    def command(self) -> list[str]:
        commit = {Durability.DURABLE: "on", Durability.RELAXED: "off"}[self.durability]
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "synchronous_commit": commit,
            "shared_buffers": "256MB",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [_program("postgres"), "-D", str(self._data), *options]

    def popen_options(self) -> dict[str, Any]:
        # It refuses to run as root.
        user = {"user": USER, "group": USER, "extra_groups": []}
        return {"cwd": self.directory, **(user if os.geteuid() == 0 else {})}

    def wait_until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        import psycopg

        wait_for(server, lambda: psycopg.connect(self.conninfo).close(), psycopg.OperationalError)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _make(self) -> None:
        options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-locale"]
        subprocess.run(
            [_program("initdb"), "-D", str(self._data), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            **self.popen_options(),
        )
        server = subprocess.Popen(
            self.command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.popen_options(),
        )
        try:
            self.wait_until_ready(server)
            self._load()
        finally:
            server.send_signal(STOP_SIGNAL)
            server.wait(_STOP_PATIENCE_S)

    def _load(self) -> None:
        import psycopg

        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(account_store.SCHEMA)
            with connection.cursor() as cursor, cursor.copy("COPY accounts FROM STDIN") as copy:
                for row in rows():
                    copy.write_row(row)
            connection.execute("VACUUM ANALYZE accounts")


def postgres_executable() -> str | None:
    # Debian keeps the programs of each version beside the path.
    beside = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    return beside[-1] if beside else shutil.which("postgres")


def _program(name: str) -> str:
    path = postgres_executable()
    assert path is not None
    return str(Path(path).with_name(name))
