"""Looking for what may be wrong with a database on a PostgreSQL server, without changing it."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
from playhouse.apsw_ext import APSWDatabase

from pack_db.impls.migrations.runner import MigrationRunner
from pack_db.impls.sqlite.sqlite_check import DELETED, LOST_ENTRIES, Check, Faults
from pack_db.interfaces.database import Database

WRONG_LEDGERS = """
    SELECT a.id FROM accounts AS a
    LEFT JOIN (
        SELECT account_id, COUNT(*) AS entries, MAX(number) AS last, SUM(amount) AS tokens
        FROM ledger_entries GROUP BY account_id
    ) AS e ON e.account_id = a.id
    LEFT JOIN ledger_entries AS l ON l.account_id = a.id AND l.number = a.entry_count
    WHERE (e.entries, e.last, e.tokens, l.token_remaining, l.topup_remaining)
        IS DISTINCT FROM (
            a.entry_count, a.entry_count, a.token_remaining + a.topup_remaining,
            a.token_remaining, a.topup_remaining
        )
"""
"""Gives the accounts whose entries do not add up to their balance."""

# All looks see the same moment; the engine's own limit of time is made for calls.
_ONE_MOMENT = """
    SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
    SET LOCAL statement_timeout = 0
"""
_UNSAFE_SETTINGS = """
    SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'
"""
_UNCHECKED_CONSTRAINTS = """
    SELECT conrelid::regclass::text || '.' || conname FROM pg_constraint
    WHERE NOT convalidated AND connamespace = current_schema()::regnamespace ORDER BY 1
"""
# Both engines have the columns, and the indexes that are not part of a table, by the same names.
_NEWEST_NAMES = """
    SELECT t.name || '.' || c.name FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
    WHERE t.type = 'table'
    UNION SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL
"""
_NAMES = """
    SELECT table_name || '.' || column_name FROM information_schema.columns
    WHERE table_schema = current_schema()
    UNION SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()
"""


def check_server(database: Database) -> Iterator[Check]:
    """Look at one thing after another, beside running daemons too, as all is at one moment.

    Raises:
        StorageError: the server cannot be reached, or fails.
    """
    looks: dict[str, Callable[[Database], str]] = {
        "durability": _durability,
        "constraints": _constraints,
        "schema": _schema,
        "ledger": _ledger,
    }
    with database.transaction():
        database.execute(_ONE_MOMENT)
        for name, look in looks.items():
            yield _outcome(name, database, look)


def _outcome(name: str, database: Database, look: Callable[[Database], str]) -> Check:
    try:
        with database.savepoint():
            return Check(check=name, result="ok", detail=look(database))
    except Faults as faults:
        return Check(check=name, result="fault", detail=str(faults))
    except psycopg.ProgrammingError as exc:  # as when a table is not there
        return Check(check=name, result="fault", detail=str(exc).splitlines()[0])


def _durability(database: Database) -> str:
    if unsafe := _names(database, _UNSAFE_SETTINGS):
        raise Faults(
            *(f"{name} is off, so a crash may take or damage what was written" for name in unsafe)
        )
    return "fsync and full_page_writes are on"


def _constraints(database: Database) -> str:
    if unchecked := _names(database, _UNCHECKED_CONSTRAINTS):
        raise Faults(*(f"{name} was never checked on the rows there are" for name in unchecked))
    if database.execute("SELECT to_regclass(%s)", [DELETED]) != [(None,)]:
        [(lost,)] = database.execute(LOST_ENTRIES)
        if lost:
            raise Faults(f"{lost} rows of ledger_entries have no row in accounts")
    return "every row keeps them"


def _schema(database: Database) -> str:
    with closing(APSWDatabase(":memory:")) as newest:
        known = MigrationRunner(newest).run()
        expected = [name for (name,) in newest.connection().execute(_NEWEST_NAMES)]
    applied = _names(database, "SELECT name FROM schema_migrations")
    if newer := sorted(set(applied) - set(known)):
        raise Faults(f"made by a newer pack-db (it has {', '.join(newer)}); upgrade pack-db")
    if pending := [name for name in known if name not in applied]:
        return f"{', '.join(pending)} will be applied when the daemon starts"
    if missing := sorted(set(expected) - set(_names(database, _NAMES))):
        raise Faults(*(f"{name} is missing" for name in missing))
    return f"as of {known[-1]}"


def _ledger(database: Database) -> str:
    if wrong := _names(database, WRONG_LEDGERS):
        raise Faults(*(f"account {id_}: its entries do not add up to its balance" for id_ in wrong))
    [(accounts, entries)] = database.execute(
        "SELECT COUNT(*), COALESCE(SUM(entry_count), 0) FROM accounts"
    )
    return f"{entries} entries add up to the balances of {accounts} accounts"


def _names(database: Database, sql: str) -> list[str]:
    return [name for (name,) in database.execute(sql)]
