"""Putting all that is in a SQLite database into a PostgreSQL database, and proving it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import psycopg

from pack_db.errors import DatabaseInUse, StorageError, WrongDatabase
from pack_db.impls.migrations.runner import MigrationRunner
from pack_db.impls.postgres.moved_source import held, snapshot
from pack_db.impls.postgres.moved_table import MovedTable, moved_tables, quoted
from pack_db.impls.postgres.postgres_check import WRONG_LEDGERS
from pack_db.impls.postgres.postgres_engine import PostgresEngine
from pack_db.impls.postgres.row_checksum import RowChecksum
from pack_db.impls.sqlite.schema_status import applied_and_pending
from pack_db.impls.sqlite.sqlite_check import require_database
from pack_db.interfaces.database import Database

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many rows of it are done, and of how many."""

_SHOWN_EVERY = 1000  # rows
_FETCHED_AT_ONCE = 5000  # rows
_JOURNAL = "reply_journal"

_OTHER_SESSIONS = """
    SELECT COUNT(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'pack-db'
        AND pid <> pg_backend_pid()
"""
# The engine's own limits are made for calls.
_SESSION = """
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0
"""
_BALANCES = """
    SELECT COUNT(*), COALESCE(SUM(token_remaining), 0) + COALESCE(SUM(topup_remaining), 0)
    FROM accounts
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is the same in the source and in the target."""

    table: str
    rows: int
    checksum: str  # SHA-256 in hex; of the ledger, the sum of its entries in tokens
    result: str


def move(
    path: Path,
    target: Database,
    url: str,
    migrations: Mapping[str, Path],
    progress: Progress,
    *,
    rehearse: bool = False,
    replace: bool = False,
) -> list[Proof]:
    """Copy the SQLite database at `path` into a PostgreSQL database, in one transaction.

    The target gets the newest schema first. Then either all is there, and was read again and
    found to be the same, or the target's rows are those of before.

    Args:
        target: an own connection to the database at `url`.
        migrations: as `ServiceFactory.migrations`.
        rehearse: copy what is there at this moment, beside a running daemon.
        replace: delete the rows that the target has.

    Raises:
        DatabaseInUse: a daemon has the source, or the target.
        WrongDatabase: the source is not pack-db's or of another version; the target has rows
            already, or other tables.
        StorageError: a database cannot be read or written, or the copy is not the same.
        OutcomeUnknown: the connection broke in the commit.
    """
    path = require_database(path)
    with held(path, rehearse), snapshot(path) as source:
        applied, pending = applied_and_pending(path, migrations)
        if pending:
            raise WrongDatabase(
                f"{path} lacks {', '.join(pending)}; apply that first, by "
                "'DB_URL= pack-db migrate up' without a daemon, or with the start of a new one"
            )
        if target.execute(_OTHER_SESSIONS) != [(0,)]:
            raise DatabaseInUse(
                f"a daemon or a command of pack-db is connected to {target.location}; stop it first"
            )
        target.run_migrations()
        # Whatever DB_SYNCHRONOUS says: once this is done, somebody may delete the source.
        with closing(PostgresEngine(url, "FULL")) as engine:
            return _Move(source, engine, progress).run(set(applied), migrations, replace=replace)


class _Move:
    def __init__(self, source: apsw.Connection, engine: PostgresEngine, progress: Progress) -> None:
        self._source = source
        self._engine = engine
        # Not through Peewee: it has no COPY, which is many times as fast as INSERT, and no models
        # of the tables of somebody else's services.
        self._target: psycopg.Connection[Any] = engine.database.connection()  # type: ignore[no-untyped-call]
        self._progress = progress

    def run(
        self, applied: set[str], migrations: Mapping[str, Path], *, replace: bool
    ) -> list[Proof]:
        """
        Args:
            applied: the migrations that the source has.
        """
        in_commit = False
        try:
            if newer := applied - set(MigrationRunner(self._engine.database, migrations).applied()):
                raise WrongDatabase(
                    f"the source was made by a newer pack-db or other services (it has "
                    f"{', '.join(sorted(newer))}); upgrade them"
                )
            with self._target.transaction():
                self._execute(_SESSION)
                tables = moved_tables(self._source, self._target)
                self._empty(tables, replace)
                checksums = [(table, self._copy(table)) for table in tables]
                proofs = [self._prove(*copied) for copied in checksums]
                proofs.append(self._prove_ledger())
                in_commit = True
        except self._engine.driver_errors as exc:
            raise self._engine.failed(exc, in_commit=in_commit) from exc
        return proofs

    def _empty(self, tables: list[MovedTable], replace: bool) -> None:
        names = ", ".join(table.quoted_name for table in tables)
        if replace:
            self._execute(f"TRUNCATE {names}")
            return
        # Whoever would write now waits until all is done.
        self._execute(f"LOCK TABLE {names} IN EXCLUSIVE MODE")
        counts = {table.name: self._count(table) for table in tables}
        if found := [f"{count} in {name}" for name, count in counts.items() if count]:
            raise WrongDatabase(
                f"{self._engine.location} has rows already: {', '.join(found)}; "
                "--replace deletes them, if they are what a rehearsal left"
            )

    def _copy(self, table: MovedTable) -> RowChecksum:
        [(total,)] = self._source.execute(f"SELECT COUNT(*) FROM {table.quoted_name}")  # noqa: S608
        rows = self._source_rows(table)  # which may ask the target, and not within the COPY
        checksum = RowChecksum()
        try:
            with (
                self._target.cursor() as cursor,
                cursor.copy(
                    f"COPY {table.quoted_name} ({table.columns}) FROM STDIN".encode()
                ) as copy,
            ):
                for row in rows:
                    copy.write_row(row)
                    checksum.add(row)
                    self._show("copying", table, checksum.rows, total)
        except (psycopg.DataError, psycopg.IntegrityError) as exc:
            # Behind the colon is the value.
            where = (exc.diag.context or f"table {table.name}").partition(":")[0]
            raise StorageError(
                f"PostgreSQL does not take a row ({where}): {str(exc).splitlines()[0]}; "
                "change it in the source, then move again"
            ) from exc
        for column, sequence in table.sequences.items():
            [(last,)] = self._source.execute(
                f"SELECT MAX({quoted(column)}) FROM {table.quoted_name}"  # noqa: S608
            )
            # Unlike setval(), a transaction that is not committed takes it back.
            self._execute(f"ALTER SEQUENCE {sequence} RESTART WITH {(last or 0) + 1}")
        return checksum

    def _source_rows(self, table: MovedTable) -> Iterator[tuple[Any, ...]]:
        if table.name != _JOURNAL:
            return self._source.execute(table.select_from_source(table.columns))
        # Rows of this boot that may still be asked for; the target has them by the clock that
        # all its hosts share. As `PeeweeReplyJournal` writes them.
        values = {"boot_id": "''", "expires_ns": "expires_ns - :now_ns + :shared_now_ns"}
        return self._source.execute(
            table.select_from_source(
                ", ".join(values.get(column, quoted(column)) for column in table.types),
                "boot_id = :boot_id AND expires_ns >= :now_ns",
            ),
            {
                "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
                "now_ns": time.monotonic_ns(),
                "shared_now_ns": self._shared_clock_ns(),
            },
        )

    def _prove(self, table: MovedTable, expected: RowChecksum) -> Proof:
        found = RowChecksum()
        with self._target.cursor(name="pack_db_move") as rows:  # named: it stays at the server
            rows.itersize = _FETCHED_AT_ONCE
            for row in rows.execute(table.select_from_target().encode()):
                found.add(row)
                self._show("checking", table, found.rows, expected.rows)
        if (found.rows, str(found)) != (expected.rows, str(expected)):
            raise StorageError(
                f"{table.name} is not the same in {self._engine.location}: {found.rows} rows came "
                f"of {expected.rows}, with the checksum {found} instead of {expected}; is there "
                "a trigger or a rule? Nothing was moved"
            )
        return Proof(table=table.name, rows=found.rows, checksum=str(found), result="same")

    def _prove_ledger(self) -> Proof:
        self._progress("adding up the ledger", 0, 0)
        if wrong := self._execute(WRONG_LEDGERS).fetchmany(1):
            raise StorageError(
                f"account {wrong[0][0]}: its entries do not add up to its balance; look at the "
                "source with 'pack-db check'. Nothing was moved"
            )
        [(accounts, tokens)] = self._execute(_BALANCES)
        return Proof(table="ledger sums", rows=accounts, checksum=str(tokens), result="same")

    def _count(self, table: MovedTable) -> int:
        [(count,)] = self._execute(f"SELECT COUNT(*) FROM {table.quoted_name}")  # noqa: S608
        return int(count)

    def _shared_clock_ns(self) -> int:
        [(now_ns,)] = self._execute(f"SELECT {PostgresEngine.shared_clock_ns.sql}")
        return int(now_ns)

    def _execute(self, statement: str) -> "psycopg.Cursor[Any]":
        return self._target.execute(statement.encode())

    def _show(self, doing: str, table: MovedTable, rows: int, total: int) -> None:
        if rows % _SHOWN_EVERY == 0:
            self._progress(f"{doing} {table.name}", rows, total)
