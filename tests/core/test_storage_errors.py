"""What the failures of the system and of SQLite mean."""

import errno

import apsw
import pytest

from pack_db.errors import StorageError, StorageFull, StorageReadOnly
from pack_db.impls.database.storage_errors import of_system
from pack_db.impls.sqlite.sqlite_errors import translated


def raised_by_sqlite(kind: type[apsw.Error], extended: int) -> apsw.Error:
    error = kind("disk I/O error")
    error.extendedresult = extended  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EROFS, StorageReadOnly),
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EACCES, StorageError),
    ],
)
def test_an_error_of_the_system_has_its_kind_and_says_what_failed(
    number: int, kind: type[StorageError]
) -> None:
    error = of_system("cannot use /srv/pack.db", OSError(number, "the reason"))
    assert type(error) is kind
    assert str(error) == "cannot use /srv/pack.db: the reason"


@pytest.mark.parametrize("kind", [apsw.IOError, apsw.CantOpenError])
def test_what_a_read_only_file_system_refuses_is_read_only(kind: type[apsw.Error]) -> None:
    failed = raised_by_sqlite(kind, apsw.SQLITE_IOERR_WRITE)
    assert type(translated(failed, errno.EROFS)) is StorageReadOnly


@pytest.mark.parametrize("kind", [apsw.IOError, apsw.CantOpenError, apsw.ProtocolError])
def test_an_error_of_no_known_kind_tells_all_that_the_system_told(kind: type[apsw.Error]) -> None:
    error = translated(raised_by_sqlite(kind, apsw.SQLITE_IOERR_FSYNC), errno.EIO)
    assert type(error) is StorageError
    assert f"(SQLITE_IOERR_FSYNC, errno {errno.EIO}: Input/output error)" in str(error)
    assert str(error).endswith("; see the log of its daemon")
