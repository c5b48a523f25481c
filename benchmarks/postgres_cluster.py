import glob
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import account_store, child_processes
from benchmarks.accounts import rows
from benchmarks.adapter import wait_for

USER = "postgres"
STOP_SIGNAL = signal.SIGINT  # what PostgreSQL calls a fast shutdown


class PostgresCluster:
    """A PostgreSQL server with all accounts, on a unix socket in its directory.

    Args:
        directory: empty.
        template: where the loaded data is kept for the next cluster of the run.
    """

    def __init__(self, directory: Path, template: Path) -> None:
        self._directory = directory
        self._template = template
        self._data = directory / "data"

    @property
    def conninfo(self) -> str:
        return f"host={self._directory} dbname=postgres user={USER}"

    def prepare(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self._directory, USER, USER)
        if not self._template.exists():
            self._make()
            self._data.rename(self._template)
        subprocess.run(["cp", "--archive", str(self._template), str(self._data)], check=True)
        # Else the first measurement would pay for writing the copy.
        subprocess.run(["sync", "--file-system", str(self._data)], check=True)

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        with (self._directory / "log").open("wb") as log:
            server = child_processes.start(self.command(), log, self.popen_options())
        try:
            self.wait_until_ready(server)
            yield server
        finally:
            child_processes.stop(server, STOP_SIGNAL)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._directory),
            "synchronous_commit": "on",
            "shared_buffers": "256MB",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [_program("postgres"), "-D", str(self._data), *options]

    def popen_options(self) -> dict[str, Any]:
        # It refuses to run as root.
        user = {"user": USER, "group": USER, "extra_groups": []}
        return {"cwd": self._directory, **(user if os.geteuid() == 0 else {})}

    def wait_until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        import psycopg

        wait_for(server, lambda: psycopg.connect(self.conninfo).close(), psycopg.OperationalError)

    def _make(self) -> None:
        import psycopg

        options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-locale"]
        subprocess.run(
            [_program("initdb"), "-D", str(self._data), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            **self.popen_options(),
        )
        with self.running(), psycopg.connect(self.conninfo, autocommit=True) as connection:
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
