import peewee
import psycopg
from psycopg import errors

from pack_db.errors import (
    InvalidInput,
    StorageBusy,
    StorageConflict,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)
from pack_db.impls.database.storage_errors import ConstraintViolated

# Each of these ends the connection or says that none was to be had; so does every failure
# without a code, which libpq itself reports (postgresql.org/docs/current/errcodes-appendix.html).
_UNAVAILABLE = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleSessionTimeout,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    errors.TooManyConnections,
    errors.ConnectionException,
    errors.ConnectionFailure,
    errors.ConnectionDoesNotExist,
    errors.SqlclientUnableToEstablishSqlconnection,
    errors.SqlserverRejectedEstablishmentOfSqlconnection,
)


def translated(exc: Exception, location: str) -> Exception:
    """What a failure of psycopg means to those above; a mistake of our own stays itself.

    Peewee keeps the driver's exception as the context of its own.
    """
    cause: BaseException | None = exc
    while isinstance(cause, peewee.PeeweeException) and not isinstance(cause, ConstraintViolated):
        cause = cause.__cause__ or cause.__context__
    match cause:
        case errors.IntegrityError():
            return ConstraintViolated(_first_line(cause))
        case errors.DataError():
            return InvalidInput(f"the database cannot hold a value: {_first_line(cause)}")
        case errors.SerializationFailure() | errors.DeadlockDetected() | errors.LockNotAvailable():
            return StorageConflict("other calls on the same rows were in the way; try again")
        case errors.QueryCanceled():
            return StorageBusy("the database took longer than a minute; try again")
        case errors.DiskFull():
            return StorageFull(f"no room left for {location}; free some, then try again")
        case errors.ReadOnlySqlTransaction():
            return StorageReadOnly(f"{location} may only be read; is it a standby?")
        case errors.DataCorrupted() | errors.IndexCorrupted():
            return StorageCorrupt(f"{location} is damaged: {_first_line(cause)}; restore a backup")
        case psycopg.Error() if isinstance(cause, _UNAVAILABLE) or (
            isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
        ):
            return StorageUnavailable(f"cannot reach {location}: {_first_line(cause)}")
        case psycopg.OperationalError() | psycopg.InternalError() | errors.InsufficientPrivilege():
            code = cause.sqlstate or "no SQLSTATE"
            return StorageError(f"{location} failed: {_first_line(cause)} ({code}); see its log")
        case StorageError() | ConstraintViolated():
            return cause  # undoing what had failed failed, too
    return exc


def _first_line(exc: BaseException) -> str:
    """Of what the server says; the details below it may show values of a row."""
    return (str(exc).strip() or type(exc).__name__).splitlines()[0]
