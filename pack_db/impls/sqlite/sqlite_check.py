"""Looking for everything that may be wrong with a database file, without changing it."""

import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw
from playhouse.apsw_ext import APSWDatabase

from pack_db.errors import StorageCorrupt, WrongDatabase
from pack_db.impls.database.storage_errors import of_system
from pack_db.impls.migrations.runner import MigrationRunner
from pack_db.impls.sqlite import sqlite_file
from pack_db.impls.sqlite.mounted_file_system import NETWORKED, file_system_type
from pack_db.impls.sqlite.sqlite_errors import translated

_SHOWN = 3  # faults named in one line; the rest are counted

# Beside MAX(), a column of its own is that of the row which has the maximum: the last entry
# (sqlite.org/lang_select.html, "Bare columns in an aggregate query").
_WRONG_LEDGERS = """
    SELECT a.id FROM accounts AS a LEFT JOIN ledger_entries AS e ON e.account_id = a.id
    GROUP BY a.id
    HAVING COUNT(e.number) IS NOT a.entry_count
        OR MAX(e.number) IS NOT a.entry_count
        OR SUM(e.amount) IS NOT a.token_remaining + a.topup_remaining
        OR e.token_remaining IS NOT a.token_remaining
        OR e.topup_remaining IS NOT a.topup_remaining
"""
DELETED = "deleted_accounts"  # an older schema has a foreign key instead
LOST_ENTRIES = f"""
    SELECT COUNT(*) FROM ledger_entries
    WHERE account_id NOT IN (SELECT id FROM accounts)
        AND account_id NOT IN (SELECT id FROM {DELETED})
"""  # noqa: S608
"""Entries of an account that was deleted go in steps."""
_SCHEMA = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    check: str
    result: str  # "ok" or "fault"
    detail: str  # what was looked at, or what is wrong


class Faults(Exception):
    """What a check found; an argument for each."""

    def __str__(self) -> str:
        more = len(self.args) - _SHOWN
        return "; ".join(self.args[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def check_database(path: Path) -> Iterator[Check]:
    """Look at one thing after another, beside a running daemon too, as all is at one moment.

    Raises:
        WrongDatabase: the file is not there, or is not pack-db's.
        StorageError: the file cannot be read at all.
    """
    path = require_database(path)
    yield _outcome("file system", lambda: _file_system(path))
    yield _outcome("permissions", lambda: _permissions(path))
    with _reading(path, "mode=ro") as connection:
        yield _outcome("integrity", lambda: _integrity(connection))
        yield _outcome("foreign keys", lambda: _foreign_keys(connection))
        yield _outcome("schema", lambda: _schema(connection))
        yield _outcome("ledger", lambda: _ledger(connection))


def require_database(path: Path) -> Path:
    """
    Returns:
        Where the file itself is, if `path` is a symbolic link.

    Raises:
        WrongDatabase: nothing is at `path`, or something that is not pack-db's.
        StorageError: the file cannot be read.
    """
    real = sqlite_file.real_path(path)
    try:
        if not real.exists():
            raise WrongDatabase(f"there is no database at {path}; set DB_PATH to where it is")
    except OSError as exc:
        raise of_system(f"cannot use {path}", exc) from exc
    sqlite_file.prepare(real)
    return real


def verify_copy(copy: Path, name: Path) -> None:
    """Make sure that a file which nobody has open is a whole database, and no newer one.

    Args:
        name: what people know the copy by.

    Raises:
        WrongDatabase: it is something else, or a newer pack-db made it.
        StorageCorrupt: it is damaged.
        StorageError: it cannot be read.
    """
    # Immutable: SQLite puts nothing beside it.
    with _reading(copy, "immutable=1") as connection:
        try:
            if connection.pragma("application_id") != sqlite_file.APPLICATION_ID:
                raise WrongDatabase(f"{name} is not a database of pack-db")
            _integrity(connection)
            newer = _applied(connection) - set(_newest_schema()[0])
        except apsw.NotADBError as exc:
            raise WrongDatabase(f"{name} is not an SQLite database") from exc
        except (Faults, apsw.CorruptError) as exc:
            raise StorageCorrupt(f"{name} is damaged: {exc}") from exc
    if newer:
        raise WrongDatabase(
            f"{name} was made by a newer pack-db (it has {', '.join(sorted(newer))}); "
            "upgrade pack-db"
        )


def _outcome(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(check=name, result="ok", detail=look())
    except OSError as exc:
        return Check(check=name, result="fault", detail=f"{exc.filename}: {exc.strerror}")
    except (Faults, apsw.CorruptError, apsw.SQLError) as fault:
        # Of SQLite's own errors, the last one is about a table that is not there.
        return Check(check=name, result="fault", detail=str(fault))


@contextmanager
def _reading(path: Path, option: str) -> Iterator[apsw.Connection]:
    try:
        connection = apsw.Connection(
            f"{path.as_uri()}?{option}",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )
        with closing(connection):
            connection.execute("BEGIN")  # what is written between two looks is no fault
            yield connection
    except apsw.Error as exc:
        raise translated(exc) from exc


def _file_system(path: Path) -> str:
    kind = file_system_type(path)
    if kind in NETWORKED:
        raise Faults(
            f"{path} is on {kind}, where SQLite's locks may not hold; move it to a local disk"
        )
    return f"{kind}, on this host"


def _permissions(path: Path) -> str:
    faults = []
    directory = path.parent.stat().st_mode
    if directory & stat.S_IWOTH and not directory & stat.S_ISVTX:
        faults.append(f"everybody may write to {path.parent}; chmod o-w {path.parent}")
    owner = path.stat().st_uid
    for suffix in ("", "-wal", "-shm", ".lock"):
        file = path.with_name(path.name + suffix)
        if not file.exists():
            continue
        status = file.stat()
        if status.st_uid != owner:
            faults.append(f"{file} belongs to user {status.st_uid}, not {owner}; chown {owner}")
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            faults.append(
                f"{file} has mode {stat.S_IMODE(status.st_mode):04o}; chmod g-w,o= {file}"
            )
    if faults:
        raise Faults(*faults)
    return f"only user {owner} may write"


def _integrity(connection: apsw.Connection) -> str:
    faults = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    if faults != ["ok"]:
        raise Faults(*faults)
    return f"{connection.pragma('page_count')} pages"


def _foreign_keys(connection: apsw.Connection) -> str:
    faults = [
        f"{count} rows of {table} have no row in {parent}"
        for table, parent, count in connection.execute(
            'SELECT "table", parent, COUNT(*) FROM pragma_foreign_key_check GROUP BY 1, 2'
        )
    ]
    if all(connection.table_exists("main", name) for name in ("ledger_entries", DELETED)):
        [(lost,)] = connection.execute(LOST_ENTRIES)
        if lost:
            faults.append(f"{lost} rows of ledger_entries have no row in accounts")
    if faults:
        raise Faults(*faults)
    return "every row has the row it belongs to"


def _schema(connection: apsw.Connection) -> str:
    known, expected = _newest_schema()
    applied = _applied(connection)
    if newer := sorted(applied - set(known)):
        raise Faults(f"made by a newer pack-db (it has {', '.join(newer)}); upgrade pack-db")
    if pending := [name for name in known if name not in applied]:
        return f"{', '.join(pending)} will be applied when the daemon starts"
    found = dict(connection.execute(_SCHEMA))
    # Tables and indexes of somebody else's are their own affair.
    changed = sorted(name for name in expected if found.get(name) != expected[name])
    if changed:
        raise Faults(*(f"{name} is missing or was changed" for name in changed))
    return f"as of {known[-1]}"


def _newest_schema() -> tuple[list[str], dict[str, str]]:
    """All migrations there are, and what the tables and indexes are after them."""
    with closing(APSWDatabase(":memory:")) as database:
        names = MigrationRunner(database).run()
        return names, dict(database.connection().execute(_SCHEMA))


def _applied(connection: apsw.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM schema_migrations")}


def _ledger(connection: apsw.Connection) -> str:
    faults = [
        f"account {account_id}: its entries do not add up to its balance"
        for (account_id,) in connection.execute(_WRONG_LEDGERS)
    ]
    if faults:
        raise Faults(*faults)
    [(accounts, entries)] = connection.execute(
        "SELECT COUNT(*), COALESCE(SUM(entry_count), 0) FROM accounts"
    )
    return f"{entries} entries add up to the balances of {accounts} accounts"
