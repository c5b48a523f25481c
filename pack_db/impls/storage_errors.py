import apsw
import peewee

from pack_db.errors import StorageBusy, StorageCorrupt, StorageError, StorageFull


def storage_error(exc: BaseException | None) -> StorageError | None:
    """What a failure of the database means to a caller; None for one that is our own mistake.

    Peewee keeps the driver's exception as the context of its own.
    """
    while isinstance(exc, peewee.PeeweeException):
        exc = exc.__cause__ or exc.__context__
    match exc:
        case apsw.BusyError() | apsw.LockedError():
            return StorageBusy("another program holds the database's lock; try again")
        case apsw.FullError():
            return StorageFull("no room left for the database; free some, then try again")
        case apsw.CorruptError() | apsw.NotADBError():
            return StorageCorrupt("the database is damaged; restore a backup")
        case apsw.IOError() | apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.NoMemError():
            return StorageError(f"the database failed: {exc}; see the log of its daemon")
    return None
