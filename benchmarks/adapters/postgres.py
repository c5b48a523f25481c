"""PostgreSQL, a cluster of its own on a unix socket; psycopg 3 with prepared statements."""

import glob
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import account_store
from benchmarks.accounts import Row, as_dict, new_row, rows
from benchmarks.adapter import Adapter, Way, wait_for
from benchmarks.clients import AsyncClient, Client
from benchmarks.load import Load, coroutines
from benchmarks.workload import IN_FLIGHT, Durability, Operation

_GET, _CONSUME, _CREATE = (
    sql.replace("?", "%s")
    for sql in (account_store.GET, account_store.CONSUME, account_store.CREATE)
)
_CONNECTIONS = 16
_USER = "postgres"
_STOP_PATIENCE_S = 20.0


class _Client:
    def __init__(self, directory: Path) -> None:
        import psycopg

        self.connection = psycopg.connect(_conninfo(directory), autocommit=True)
        self.close = self.connection.close

    def get(self, account_id: str) -> object:
        return as_dict(self._row(_GET, (account_id,)))

    def consume(self, account_id: str) -> int:
        return int(self._row(_CONSUME, (int(time.time()), account_id))[0])

    def create(self, email: str) -> object:
        row = new_row(email)
        self.connection.execute(_CREATE, row, prepare=True)
        return as_dict(row)

    def _row(self, sql: str, values: Row) -> Row:
        return _one(self.connection.execute(sql, values, prepare=True).fetchone())


class _AsyncClient:
    """Coroutines take turns at the connections of a pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.close = pool.close

    async def get(self, account_id: str) -> object:
        return as_dict(await self._row(_GET, (account_id,)))

    async def consume(self, account_id: str) -> int:
        return int((await self._row(_CONSUME, (int(time.time()), account_id)))[0])

    async def create(self, email: str) -> object:
        row = new_row(email)
        async with self._pool.connection() as connection:
            await connection.execute(_CREATE, row, prepare=True)
        return as_dict(row)

    async def _row(self, sql: str, values: Row) -> Row:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(sql, values, prepare=True)
            return _one(await cursor.fetchone())


class Postgres(Adapter):
    name = "postgres"
    title = "PostgreSQL + psycopg 3"
    packages = ("psycopg", "psycopg-binary", "psycopg-pool")
    program = "postgres"
    stop_signal = signal.SIGINT  # what PostgreSQL calls a fast shutdown

    @classmethod
    def executable(cls) -> str | None:
        # Debian keeps the programs of each version beside the path.
        beside = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        return beside[-1] if beside else super().executable()

    def prepare(self) -> None:
        template = self.directory.parent / "postgres-template"
        if os.geteuid() == 0:
            shutil.chown(self.directory, _USER, _USER)
        if not template.exists():
            self._make_cluster()
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
        return [self._program("postgres"), "-D", str(self._data), *options]

    def popen_options(self) -> dict[str, Any]:
        # It refuses to run as root.
        user = {"user": _USER, "group": _USER, "extra_groups": []}
        return {"cwd": self.directory, **(user if os.geteuid() == 0 else {})}

    def wait_until_ready(self, server: "subprocess.Popen[bytes]") -> None:
        import psycopg

        def connect() -> None:
            psycopg.connect(_conninfo(self.directory)).close()

        wait_for(server, connect, psycopg.OperationalError)

    def client(self) -> Client:
        return _Client(self.directory)

    def ways(self) -> Mapping[str, Way]:
        return {"asyncio": self._coroutines, "pipelines": self._pipelines}

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _program(self, name: str) -> str:
        path = self.executable()
        assert path is not None
        return str(Path(path).with_name(name))

    def _make_cluster(self) -> None:
        options = ["--auth=trust", f"--username={_USER}", "--encoding=UTF8", "--no-locale"]
        subprocess.run(
            [self._program("initdb"), "-D", str(self._data), *options],
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
            server.send_signal(self.stop_signal)
            server.wait(_STOP_PATIENCE_S)

    def _load(self) -> None:
        client = _Client(self.directory)
        connection: Any = client.connection
        connection.execute(account_store.SCHEMA)
        with connection.cursor() as cursor, cursor.copy("COPY accounts FROM STDIN") as copy:
            for row in rows():
                copy.write_row(row)
        connection.execute("VACUUM ANALYZE accounts")
        client.close()

    def _coroutines(self, load: Load) -> None:
        async def connect() -> AsyncClient:
            from psycopg_pool import AsyncConnectionPool

            pool = AsyncConnectionPool(
                _conninfo(self.directory),
                min_size=_CONNECTIONS,
                max_size=_CONNECTIONS,
                open=False,
                kwargs={"autocommit": True},
            )
            await pool.open(wait=True)
            return _AsyncClient(pool)

        coroutines(connect, load)

    def _pipelines(self, load: Load) -> None:
        """Statements between two syncs are one transaction: the calls share a commit, and one
        that fails takes the others with it."""
        client = _Client(self.directory)
        connection = client.connection
        load.begin()
        while load.is_running():
            cursors = []
            new_rows = []
            with connection.pipeline():
                for _ in range(IN_FLIGHT):
                    sql, values = _statement(load.operation, load.next_argument())
                    cursors.append(connection.execute(sql, values, prepare=True))
                    new_rows.append(values)
            for cursor, values in zip(cursors, new_rows, strict=True):
                if load.operation is Operation.CREATE:
                    as_dict(values)
                elif load.operation is Operation.GET:
                    as_dict(_one(cursor.fetchone()))
                else:
                    _one(cursor.fetchone())
            load.done(len(cursors))
        client.close()


def _conninfo(directory: Path) -> str:
    return f"host={directory} dbname=postgres user={_USER}"


def _statement(operation: Operation, argument: str) -> tuple[str, Sequence[Any]]:
    if operation is Operation.GET:
        return _GET, (argument,)
    if operation is Operation.CONSUME:
        return _CONSUME, (int(time.time()), argument)
    return _CREATE, new_row(argument)


def _one(row: Any) -> Row:
    if row is None:
        raise LookupError("no such account, or no token left")
    return tuple(row)
