import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any
from weakref import WeakSet

import peewee
import psycopg
from playhouse import db_url
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from pack_db.errors import (
    ConfigurationError,
    OutcomeUnknown,
    StorageConflict,
    StorageError,
    WrongDatabase,
)
from pack_db.impls.compiled_query import Row
from pack_db.impls.database.database_engine import Engine
from pack_db.impls.database.forked_child import keep_for_ever
from pack_db.impls.database.storage_health import StorageHealth
from pack_db.impls.postgres import schema as postgres_schema
from pack_db.impls.postgres.postgres_errors import translated
from pack_db.interfaces.entities.database_status import DatabaseStatus

_NAMES = {"postgresql": "PostgreSQL", "cockroachdb": "CockroachDB"}
_MIGRATION_LOCK = int.from_bytes(b"pack-db")
# What the URL says comes before these. A server that is not there any more, or a network that
# swallows everything, is noticed in seconds instead of hours.
_CONNECTION_PARAMETERS = {
    "application_name": "pack-db",
    "client_encoding": "UTF8",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "target_session_attrs": "read-write",
}
# The first one is longer than the server takes to find a deadlock, and shorter than most callers
# wait. The last one ends the transactions of a host that vanished in the middle of them.
_SESSION = f"""
    SET search_path TO {postgres_schema.SCHEMA};
    SET lock_timeout = '2s';
    SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '60s'
"""
_SYNCHRONOUS_COMMIT = """
    SELECT set_config('synchronous_commit', %s, false)
    WHERE current_setting('synchronous_commit') = 'off' OR %s = 'off'
"""
_STATUS = """
    SELECT current_setting('server_version'), pg_database_size(current_database()),
        current_setting('fsync'), current_setting('synchronous_commit'),
        current_setting('synchronous_standby_names')
"""


class PostgresEngine(Engine):
    """A PostgreSQL server, with a connection for each thread.

    Args:
        url: as libpq reads it, which knows several hosts, too; `playhouse.db_url` does not. The
            scheme decides about the dialect.
        synchronous: "FULL" and "EXTRA" for durable commits, "NORMAL" for asynchronous ones.

    Raises:
        ConfigurationError: the URL cannot be read.
        StorageUnavailable: the server cannot be reached.
        WrongDatabase: the database does not hold all of Unicode, or another program has tables in
            the schema.
    """

    driver_errors = (peewee.PeeweeException, psycopg.Error)
    # Each host has a monotonic clock of its own. Not clock_timestamp(): no index is used with it.
    shared_clock_ns = peewee.SQL("(EXTRACT(EPOCH FROM statement_timestamp()) * 1000000000)::bigint")

    def __init__(self, url: str, synchronous: str) -> None:
        scheme, _, rest = url.partition("://")
        try:
            parameters = _CONNECTION_PARAMETERS | conninfo_to_dict(f"postgresql://{rest}")
        except psycopg.ProgrammingError:
            # What libpq says may repeat the URL, and the password in it.
            raise ConfigurationError(
                "DB_URL: libpq cannot read it; look at the brackets, the signs after a % and the "
                'parameters after the "?" (PostgreSQL\'s manual, "Connection URIs")'
            ) from None
        name = str(parameters.pop("dbname"))
        self._scheme = scheme
        hosts, ports = parameters.get("host", ""), parameters.get("port", "")
        self.location = f"{scheme}://{_addresses(str(hosts), str(ports))}/{name}"
        self.lock = nullcontext()
        self._synchronous_commit = "off" if synchronous == "NORMAL" else "on"
        self._health = StorageHealth()
        self._connections: WeakSet[psycopg.Connection[Row]] = WeakSet()
        self.database = db_url.schemes[scheme](
            name, prefer_psycopg3=True, autoconnect=False, **parameters
        )
        try:
            self._open()
        except self.driver_errors as exc:
            self.database.close()
            raise translated(exc, self.location) from exc
        [(encoding,)] = self.execute("SHOW server_encoding", ())
        if encoding not in ("UTF8", "utf8"):  # the latter is how CockroachDB says it
            self.close()
            raise WrongDatabase(
                f"{self.location} has the encoding {encoding}; make it with ENCODING 'UTF8'"
            )
        try:
            self._has_schema()
        except WrongDatabase:
            self.close()
            raise

    def connect(self) -> None:
        if self.database.in_transaction():
            return  # which fails when its connection broke, and is not begun anew half-way
        if not self.database.is_closed() and self._connection().closed:
            self.database.close()
        if self.database.is_closed():
            try:
                self._open()
            except self.driver_errors as exc:
                self.database.close()
                raise self.failed(exc) from exc

    def run(self, sql: str, values: Sequence[Any]) -> Iterable[Row]:
        self.connect()
        cursor = self._connection().execute(sql, values or None)
        return cursor if cursor.description else ()

    def begin(self) -> None:
        self.connect()
        self._connection().execute("BEGIN")

    def commit(self) -> None:
        # The server would answer COMMIT with a rollback, and without an error.
        if self._transaction_status() == TransactionStatus.INERROR:
            self.roll_back()
            raise StorageError(
                "a statement failed and the work went on; put what may fail into a savepoint()"
            )
        try:
            self._connection().execute("COMMIT")
        except psycopg.Error as exc:
            raise self.failed(exc, in_commit=True) from exc
        if self._health.failure is not None:
            self._health.committed(changes=1)

    def roll_back(self) -> None:
        if self.is_in_transaction():
            self._connection().execute("ROLLBACK")

    def is_in_transaction(self) -> bool:
        return self._transaction_status() in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def failed(self, exc: Exception, *, in_commit: bool = False) -> Exception:
        error = translated(exc, self.location)
        # A conflict is nobody's failure, and whoever was in the way is done soon.
        if not isinstance(error, StorageError) or isinstance(error, StorageConflict):
            return error
        self._health.failed(error, changes=0)
        if in_commit:
            # Whatever the reason: a server that panics may find the commit done afterwards.
            return OutcomeUnknown(
                f"{error}; a commit was under way and may have been done, "
                "so look before you repeat it"
            )
        return error

    @contextmanager
    def migrating(self) -> Iterator[None]:
        # The session's limits of time are made for calls.
        self.execute("SET lock_timeout = 0; SET statement_timeout = 0", ())
        try:
            self.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
            self.execute("SET lock_timeout = '2s'", ())  # the tables' users go first
            if not self._has_schema():
                self.execute(postgres_schema.MAKE, ())
            yield
        finally:
            self.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])
            self.execute(_SESSION, ())

    def check(self) -> str:
        # From memory: the loop that asks must not wait for a network.
        return self._health.in_words()

    def status(self, schema_version: str) -> DatabaseStatus:
        try:
            [(version, size, fsync, commit, standbys)] = self.execute(_STATUS, ())
        except (StorageError, *self.driver_errors) as exc:
            self.failed(exc)
            version, size, fsync, commit, standbys = "", 0, "on", self._synchronous_commit, ""
        return DatabaseStatus(
            engine=f"{_NAMES[self._scheme]} {version}".strip(),
            path=self.location,
            size_bytes=size,
            schema_version=schema_version,
            durability=_durability(fsync, commit, standbys),
            health=self._health.in_words(),
        )

    def close(self) -> None:
        for connection in list(self._connections):
            connection.close()
        self.database.close()

    def leave_to_parent(self, opened_by: int) -> None:
        for connection in self._connections:
            keep_for_ever(connection)  # closed, it would tell the server so
        self._connections.clear()
        super().leave_to_parent(opened_by)

    def _open(self) -> None:
        self.database.connect()
        connection = self._connection()
        self._connections.add(connection)
        connection.execute(_SESSION)
        commit = self._synchronous_commit
        connection.execute(_SYNCHRONOUS_COMMIT, [commit, commit])

    def _has_schema(self) -> bool:
        return postgres_schema.is_ours(self.execute(postgres_schema.LOOK, ()), self.location)

    def _connection(self) -> "psycopg.Connection[Row]":
        connection: psycopg.Connection[Row] = self.database.connection()  # type: ignore[no-untyped-call]
        return connection

    def _transaction_status(self) -> TransactionStatus:
        return TransactionStatus(self._connection().pgconn.transaction_status)


def _addresses(hosts: str, ports: str) -> str:
    """As in a URL; of several hosts each has its own port, or all have the same."""
    pairs = itertools.zip_longest(hosts.split(","), ports.split(","), fillvalue=ports)
    return ",".join(f"{host}:{port}" if port else host for host, port in pairs)


def _durability(fsync: str, synchronous_commit: str, standbys: str) -> str:
    if fsync == "off":
        return "a crash of the server may take any write, as its fsync is off"
    if synchronous_commit == "off":
        return "a write survives a crash of the daemon, but not always one of the server"
    if standbys and synchronous_commit != "local":
        return "a write survives a crash of the daemon, a power failure and the loss of the primary"
    return "a write survives a crash of the daemon, one of the server and a power failure"
