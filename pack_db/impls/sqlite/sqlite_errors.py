import errno
import os

import apsw
import peewee

from pack_db.errors import (
    StorageBusy,
    StorageCorrupt,
    StorageError,
    StorageFull,
    StorageReadOnly,
)
from pack_db.impls.database.storage_errors import ConstraintViolated


def translated(
    exc: Exception, system_errno: int = 0, doing: str = "the database failed"
) -> Exception:
    """What a failure of the driver means to those above; a mistake of our own stays itself.

    Peewee keeps the driver's exception as the context of its own.

    Args:
        system_errno: of the system call that failed last on the connection; 0 if it is not known.
        doing: what failed; the beginning of the message if nothing better is known.
    """
    cause: BaseException | None = exc
    while isinstance(cause, peewee.PeeweeException) and not isinstance(cause, ConstraintViolated):
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
            return _read_only()
        case apsw.IOError() | apsw.CantOpenError() if system_errno == errno.EROFS:
            return _read_only()
        case (
            apsw.IOError()
            | apsw.CantOpenError()
            | apsw.NoMemError()
            | apsw.ProtocolError()
            | apsw.InternalError()
        ):
            return StorageError(
                f"{doing}: {_in_words(cause, system_errno)}; see the log of its daemon"
            )
        case StorageError() | ConstraintViolated():
            return cause  # undoing what had failed failed, too
    return exc


def _read_only() -> StorageReadOnly:
    return StorageReadOnly(
        "the database may not be written to; is its disk or its directory read-only?"
    )


def _in_words(cause: apsw.Error, system_errno: int) -> str:
    number = getattr(cause, "extendedresult", 0)
    code = apsw.mapping_extended_result_codes.get(number) or type(cause).__name__
    system = f", errno {system_errno}: {os.strerror(system_errno)}" if system_errno else ""
    return f"{cause} ({code}{system})"
