"""PostgreSQL, a cluster of its own on a unix socket; psycopg 3 with prepared statements."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from benchmarks import account_store
from benchmarks.accounts import Row, as_dict, new_row
from benchmarks.adapter import Adapter, Way
from benchmarks.clients import AsyncClient, Client
from benchmarks.load import Load, coroutines
from benchmarks.postgres_cluster import STOP_SIGNAL, PostgresCluster, postgres_executable
from benchmarks.workload import IN_FLIGHT, Durability, Operation

_GET, _CONSUME, _CREATE = (
    sql.replace("?", "%s")
    for sql in (account_store.GET, account_store.CONSUME, account_store.CREATE)
)
_CONNECTIONS = 16


class PostgresClient:
    def __init__(self, conninfo: str) -> None:
        import psycopg

        self.connection = psycopg.connect(conninfo, autocommit=True)
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
        return one_row(self.connection.execute(sql, values, prepare=True).fetchone())


class AsyncPostgresClient:
    """Coroutines take turns at the connections of a pool."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.close = pool.close

    async def get(self, account_id: str) -> object:
        return as_dict(await self._row(_GET, (account_id,)))

    async def consume(self, account_id: str) -> int:
        return int((await self._row(_CONSUME, (int(time.time()), account_id)))[0])

    async def create(self, email: str) -> object:
        row = new_row(email)
        async with self.pool.connection() as connection:
            await connection.execute(_CREATE, row, prepare=True)
        return as_dict(row)

    async def _row(self, sql: str, values: Row) -> Row:
        async with self.pool.connection() as connection:
            cursor = await connection.execute(sql, values, prepare=True)
            return one_row(await cursor.fetchone())


class Postgres(Adapter):
    name = "postgres"
    title = "PostgreSQL + psycopg 3"
    packages = ("psycopg", "psycopg-binary", "psycopg-pool")
    program = "postgres"
    stop_signal = STOP_SIGNAL

    def __init__(self, directory: Path, durability: Durability) -> None:
        super().__init__(directory, durability)
        self._cluster = PostgresCluster(directory, durability)

    @classmethod
    def executable(cls) -> str | None:
        return postgres_executable()

    def prepare(self) -> None:
        self._cluster.prepare()

    def command(self) -> list[str] | None:
        return self._cluster.command()

    def popen_options(self) -> dict[str, Any]:
        return self._cluster.popen_options()

    def wait_until_ready(self, server: "Popen[bytes]") -> None:
        self._cluster.wait_until_ready(server)

    def client(self) -> Client:
        return PostgresClient(self._cluster.conninfo)

    def ways(self) -> Mapping[str, Way]:
        return {"asyncio": self._coroutines, "pipelines": self._pipelines}

    def _async_client(self, pool: Any) -> AsyncClient:
        return AsyncPostgresClient(pool)

    def _coroutines(self, load: Load) -> None:
        async def connect() -> AsyncClient:
            from psycopg_pool import AsyncConnectionPool

            pool = AsyncConnectionPool(
                self._cluster.conninfo,
                min_size=_CONNECTIONS,
                max_size=_CONNECTIONS,
                open=False,
                kwargs={"autocommit": True},
            )
            await pool.open(wait=True)
            return self._async_client(pool)

        coroutines(connect, load)

    def _pipelines(self, load: Load) -> None:
        """Statements between two syncs are one transaction: the calls share a commit, and one
        that fails takes the others with it."""
        client = PostgresClient(self._cluster.conninfo)
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
                    as_dict(one_row(cursor.fetchone()))
                else:
                    one_row(cursor.fetchone())
            load.done(len(cursors))
        client.close()


def _statement(operation: Operation, argument: str) -> tuple[str, Sequence[Any]]:
    if operation is Operation.GET:
        return _GET, (argument,)
    if operation is Operation.CONSUME:
        return _CONSUME, (int(time.time()), argument)
    return _CREATE, new_row(argument)


def one_row(row: Any) -> Row:
    if row is None:
        raise LookupError("no such account, or no token left")
    return tuple(row)
