"""PostgreSQL, a cluster of its own on a unix socket; psycopg 3 with prepared statements."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import account_store
from benchmarks.accounts import Row, as_dict, new_row
from benchmarks.adapter import Adapter
from benchmarks.clients import AsyncClient, Client
from benchmarks.postgres_cluster import PostgresCluster, postgres_executable
from benchmarks.workload import Load, Operation

_GET, _CONSUME, _CREATE = (
    sql.replace("?", "%s")
    for sql in (account_store.GET, account_store.CONSUME, account_store.CREATE)
)
_CONNECTIONS = 16


class _Client:
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

    def batch(self, operation: Operation, arguments: Sequence[str]) -> object:
        """A pipeline, whose statements are one transaction: one that fails takes the others with
        it."""
        statements = [_statement(operation, argument) for argument in arguments]
        with self.connection.pipeline():
            cursors = [self.connection.execute(*s, prepare=True) for s in statements]
        if operation is Operation.CREATE:
            return [as_dict(values) for _, values in statements]
        found = [_one_row(cursor.fetchone()) for cursor in cursors]
        return [as_dict(row) for row in found] if operation is Operation.GET else found

    def _row(self, sql: str, values: Row) -> Row:
        return _one_row(self.connection.execute(sql, values, prepare=True).fetchone())


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
            return _one_row(await cursor.fetchone())


class Postgres(Adapter):
    name = "postgres"
    title = "PostgreSQL + psycopg 3"
    packages = ("psycopg", "psycopg-binary", "psycopg-pool")
    program = "postgres"
    loads = tuple(Load)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._cluster = PostgresCluster(directory, directory.parent / "postgres-template")

    @classmethod
    def executable(cls) -> str | None:
        return postgres_executable()

    @contextmanager
    def served(self) -> Iterator[list[int]]:
        self._cluster.prepare()
        with self._cluster.running() as server:
            yield [server.pid]

    def client(self) -> Client:
        return _Client(self._cluster.conninfo)

    async def async_client(self) -> AsyncClient:
        from psycopg_pool import AsyncConnectionPool

        pool = AsyncConnectionPool(
            self._cluster.conninfo,
            min_size=_CONNECTIONS,
            max_size=_CONNECTIONS,
            open=False,
            kwargs={"autocommit": True},
        )
        await pool.open(wait=True)
        return _AsyncClient(pool)


class PostgresSameWork(Postgres):
    """What pack-db writes for a consume on PostgreSQL, in the same transaction: the ledger's entry
    and the journal's row."""

    name = "postgres_same_work"
    title = "PostgreSQL, pack-db's statements"
    operations = (Operation.CONSUME,)
    loads = (Load.ONE_CLIENT, Load.CLIENT_PROCESSES)

    @contextmanager
    def served(self) -> Iterator[list[int]]:
        import psycopg

        with super().served() as pids:
            with psycopg.connect(self._cluster.conninfo, autocommit=True) as connection:
                connection.execute(_SAME_WORK_SCHEMA)
            yield pids

    def client(self) -> Client:
        return _SameWorkClient(self._cluster.conninfo)


class _SameWorkClient(_Client):
    def consume(self, account_id: str) -> int:
        connection = self.connection
        now, now_ns = int(time.time()), time.monotonic_ns()
        # A row for each connection: callers that shared one would wait for each other's commits.
        caller = connection.info.backend_pid.to_bytes(32, "big")
        with connection.transaction():
            taken = connection.execute(_TAKE, (now, account_id), prepare=True)
            left, topup, number = _one_row(taken.fetchone())
            entry = (account_id, number, left, topup, now)
            connection.execute(_ENTER, entry, prepare=True)
            note = (caller, now_ns, _DIGEST, _REPLY, now_ns)
            connection.execute(_NOTE, note, prepare=True)
        return int(left)


def _statement(operation: Operation, argument: str) -> tuple[str, Row]:
    if operation is Operation.GET:
        return _GET, (argument,)
    if operation is Operation.CONSUME:
        return _CONSUME, (int(time.time()), argument)
    return _CREATE, new_row(argument)


def _one_row(row: Any) -> Row:
    if row is None:
        raise LookupError("no such account, or no token left")
    return tuple(row)


_SAME_WORK_SCHEMA = """
ALTER TABLE accounts ADD COLUMN entry_count BIGINT NOT NULL DEFAULT 1;
CREATE TABLE ledger_entries (
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    token_remaining BIGINT NOT NULL,
    topup_remaining BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, number)
);
CREATE TABLE reply_journal (
    client BYTEA PRIMARY KEY,
    user_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    reply BYTEA NOT NULL,
    boot_id TEXT NOT NULL,
    expires_ns BIGINT NOT NULL
);
"""
_TAKE = """
UPDATE accounts
SET token_remaining = token_remaining - 1, entry_count = entry_count + 1, updated_at = %s
WHERE id = %s AND token_remaining >= 1
RETURNING token_remaining, topup_remaining, entry_count
"""
_ENTER = "INSERT INTO ledger_entries VALUES (%s, %s, 'consumption', -1, %s, %s, %s)"
_NOTE = """
INSERT INTO reply_journal VALUES (%s, 0, %s, %s, %s, '', %s)
ON CONFLICT (client) DO UPDATE
SET sequence = excluded.sequence, digest = excluded.digest, reply = excluded.reply,
    expires_ns = greatest(reply_journal.expires_ns, excluded.expires_ns)
WHERE reply_journal.sequence < excluded.sequence
"""
_DIGEST, _REPLY = bytes(16), bytes(150)  # as long as pack-db's
