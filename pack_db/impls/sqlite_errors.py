import apsw
import peewee

from pack_db.errors import (
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageReadOnly,
)
from pack_db.impls.storage_errors import ConstraintViolated


def translated(exc: Exception) -> Exception:
    """What a failure of the driver means to those above; a mistake of our own stays itself.

    Peewee keeps the driver's exception as the context of its own.
    """
    cause: BaseException | None = exc
    while isinstance(cause, peewee.PeeweeException):
        cause = cause.__cause__ or cause.__context__
    match cause:
        case None | apsw.ConnectionClosedError() if not isinstance(exc, peewee.ProgrammingError):
            return StorageError("the database was closed; open it anew")
        case apsw.ConstraintError():
            return ConstraintViolated(str(cause))
        case apsw.BusyError() | apsw.LockedError():
            return StorageBusy("another program holds the database's lock; try again")
        case apsw.FullError():
            return StorageFull("no room left for the database; free some, then try again")
        case apsw.CorruptError() | apsw.NotADBError():
            return StorageCorrupt("the database is damaged; restore a backup")
        case apsw.ReadOnlyError():
            return StorageReadOnly(
                "the database may not be written to; is its disk or its directory read-only?"
            )
        case apsw.IOError() | apsw.CantOpenError() | apsw.NoMemError():
            return StorageError(f"the database failed: {cause}; see the log of its daemon")
        case StorageError():
            return cause  # undoing what had failed failed, too
    return exc
