"""psycopg without pack-db, on a PostgreSQL server that runs already."""

import time
from typing import Any

from benchmarks.adapters.postgres import AsyncPostgresClient, Postgres, PostgresClient, one_row
from benchmarks.clients import AsyncClient, Client

SAME_WORK_SCHEMA = """
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


class OneStatement(Postgres):
    """One UPDATE consumes."""

    title = "psycopg, one statement"

    def prepare(self) -> None:
        pass

    def command(self) -> list[str] | None:
        return None


class SameWork(OneStatement):
    """What pack-db writes, in the same transactions: the ledger's entry and the journal's row."""

    title = "psycopg, same work"

    def client(self) -> Client:
        return _SameWorkClient(self._cluster.conninfo)

    def _async_client(self, pool: Any) -> AsyncClient:
        return _AsyncSameWorkClient(pool)


class _SameWorkClient(PostgresClient):
    def consume(self, account_id: str) -> int:
        connection = self.connection
        now = int(time.time())
        with connection.transaction():
            taken = connection.execute(_TAKE, (now, account_id), prepare=True)
            left, topup, number = one_row(taken.fetchone())
            entry = (account_id, number, left, topup, now)
            connection.execute(_ENTER, entry, prepare=True)
            connection.execute(_NOTE, _note(connection), prepare=True)
        return int(left)


class _AsyncSameWorkClient(AsyncPostgresClient):
    async def consume(self, account_id: str) -> int:
        now = int(time.time())
        async with self.pool.connection() as connection, connection.transaction():
            taken = await connection.execute(_TAKE, (now, account_id), prepare=True)
            left, topup, number = one_row(await taken.fetchone())
            entry = (account_id, number, left, topup, now)
            await connection.execute(_ENTER, entry, prepare=True)
            await connection.execute(_NOTE, _note(connection), prepare=True)
        return int(left)


def _note(connection: Any) -> tuple[bytes, int, bytes, bytes, int]:
    # A row for each connection: callers that shared one would wait for each other's commits.
    client = connection.info.backend_pid.to_bytes(32, "big")
    now_ns = time.monotonic_ns()
    return client, now_ns, _DIGEST, _REPLY, now_ns
