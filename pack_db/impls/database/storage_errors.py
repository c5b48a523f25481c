import errno

import peewee

from pack_db.errors import StorageError, StorageFull, StorageReadOnly

_KINDS = {
    errno.EROFS: StorageReadOnly,
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
}


class ConstraintViolated(peewee.IntegrityError):
    """A row would break a constraint of its table; the repository knows what that means."""


def of_system(doing: str, exc: OSError) -> StorageError:
    """
    Args:
        doing: what failed, on what; followed by the reason that the system gives.
    """
    return _KINDS.get(exc.errno or 0, StorageError)(f"{doing}: {exc.strerror}")
