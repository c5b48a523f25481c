"""One PostgreSQL server for pack-db and for direct psycopg, each with a database of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import child_processes
from benchmarks.adapters.direct_postgres import SAME_WORK_SCHEMA
from benchmarks.adapters.pack_db import template
from benchmarks.loaded_database import LoadedDatabase
from benchmarks.postgres_cluster import STOP_SIGNAL, USER, PostgresCluster
from benchmarks.workload import Durability
from pack_db.config import ConfigKeys

_DATABASE = "pack_db"


@contextmanager
def shared_postgres(run_directory: Path) -> Iterator[Path]:
    """A running server with durable settings and all accounts, for direct psycopg and at
    `pack_db_url`; yields its directory."""
    directory = run_directory / "postgres"
    directory.mkdir()
    cluster = PostgresCluster(directory, Durability.DURABLE)
    cluster.prepare()
    with (directory / "log").open("wb") as log:
        server = child_processes.start(cluster.command(), log, cluster.popen_options())
    try:
        cluster.wait_until_ready(server)
        _load(cluster, template(run_directory))
        yield directory
    finally:
        child_processes.stop(server, STOP_SIGNAL)


def pack_db_url(directory: Path) -> str:
    return f"postgresql://{USER}@/{_DATABASE}?host={directory}"


def _load(cluster: PostgresCluster, source: LoadedDatabase) -> None:
    import psycopg

    with psycopg.connect(cluster.conninfo, autocommit=True) as connection:
        connection.execute(SAME_WORK_SCHEMA)
        connection.execute(f"CREATE DATABASE {_DATABASE}")
    source.make()
    url = pack_db_url(cluster.directory)
    environment = {
        "PATH": os.environ["PATH"],
        ConfigKeys.DB_PATH.value: str(source.path),
        ConfigKeys.DB_URL.value: url,
    }
    subprocess.run(
        [sys.executable, "-m", "pack_db_daemon", "move"],
        env=environment,
        cwd=cluster.directory,  # no .env of the checkout is read
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
