"""Accounts in SQLite by the standard library alone: what every Python server here serves."""

import shutil
import sqlite3
import threading
import time
from pathlib import Path

from benchmarks.accounts import FIELDS, Row, new_row, rows

SCHEMA = """
CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    api_key TEXT NOT NULL UNIQUE,
    plan_name TEXT NOT NULL,
    token_remaining BIGINT NOT NULL,
    topup_remaining BIGINT NOT NULL,
    status INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
)
"""
GET = f"SELECT {', '.join(FIELDS)} FROM accounts WHERE id = ?"
CONSUME = """
UPDATE accounts SET token_remaining = token_remaining - 1, updated_at = ?
WHERE id = ? AND token_remaining >= 1 RETURNING token_remaining
"""
CREATE = f"INSERT INTO accounts ({', '.join(FIELDS)}) VALUES ({', '.join('?' * len(FIELDS))})"


class AccountStore:
    """One connection, one lock, and prepared statements from the connection's own cache.

    Each statement is a transaction of its own, committed when `fetchall` returns.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(
            path, timeout=5, isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._execute = self._database.execute
        self._lock = threading.Lock()

    def get(self, account_id: str) -> Row:
        with self._lock:
            [row] = self._execute(GET, (account_id,)).fetchall()
        return tuple(row)

    def consume(self, account_id: str) -> int:
        with self._lock:
            [(left,)] = self._execute(CONSUME, (int(time.time()), account_id)).fetchall()
        return int(left)

    def create(self, email: str) -> Row:
        row = new_row(email)
        with self._lock:
            self._execute(CREATE, row)
        return row

    def close(self) -> None:
        self._database.close()


def fresh_database(path: Path) -> None:
    """Put a database with all accounts at `path`; it is made once and copied from then on."""
    template = path.parent.parent / "template.db"
    if not template.exists():
        _build(template)
    shutil.copy(template, path)


def _build(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute(SCHEMA)
    database.executemany(CREATE, rows())
    database.commit()
    database.close()
