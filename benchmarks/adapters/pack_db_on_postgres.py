import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.adapters.pack_db import PackDbDaemon
from benchmarks.postgres_cluster import USER, PostgresCluster, postgres_executable
from pack_db.config import ConfigKeys

_DATABASE = "pack_db"


class PackDbOnPostgres(PackDbDaemon):
    name = "pack_db_postgres"
    title = "pack-db on PostgreSQL"
    packages = ("pack-db", "psycopg", "psycopg-binary")
    program = "postgres"

    @classmethod
    def executable(cls) -> str | None:
        return postgres_executable()

    @contextmanager
    def served(self) -> Iterator[list[int]]:
        directory = self.directory / "postgres"
        directory.mkdir()
        template = self.directory.parent / "postgres-template"
        cluster = PostgresCluster(directory, template)
        cluster.prepare()
        with cluster.running() as server:
            self._fill(cluster)
            with super().served() as daemon:
                yield [server.pid, *daemon]

    def settings(self) -> dict[str, str]:
        url = f"postgresql://{USER}@/{_DATABASE}?host={self.directory / 'postgres'}"
        return super().settings() | {ConfigKeys.DB_URL: url}

    def _fill(self, cluster: PostgresCluster) -> None:
        import psycopg

        with psycopg.connect(cluster.conninfo, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE}")
        self.prepare()
        subprocess.run(
            [sys.executable, "-m", "pack_db_daemon", "move"],
            check=True,
            stdout=subprocess.DEVNULL,
            **self.popen_options(),
        )
        with psycopg.connect(self.settings()[ConfigKeys.DB_URL], autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
