"""Telling whether a write-ahead log belongs to the database that it lies beside.

SQLite takes any log that is whole for the log of the database of that name, and a log of another
one, or of an older copy, would damage it. So each log begins with a marker, a row that names the
state of the database that it continues, and the one after it: by random numbers, which are in the
database, too, as soon as it was written back. A database that the log does not name is another.
"""

import mmap
import os
from contextlib import closing
from pathlib import Path

import apsw

from pack_db.errors import WrongDatabase

TABLE = "log_marker"

_MAGIC = b"the write-ahead log goes on from: "
_STATE_BYTES = 16
_NO_STATE = bytes(_STATE_BYTES)  # of a database that never had a marker

# sqlite.org/fileformat2.html, 4.1
_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


def mark(connection: apsw.Connection) -> None:
    """Note which state of the database the log continues, as it was begun anew."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {TABLE} (id INTEGER PRIMARY KEY, marker BLOB NOT NULL) STRICT"
    )
    connection.execute(
        f"INSERT INTO {TABLE} (id, marker) VALUES (1, ?) "  # noqa: S608
        "ON CONFLICT (id) DO UPDATE SET marker = excluded.marker",
        (_MAGIC + _state(connection) + os.urandom(_STATE_BYTES),),
    )


def refuse_foreign_log(path: Path) -> None:
    """
    Args:
        path: a database that nobody has open.

    Raises:
        WrongDatabase: the log beside it belongs to another database, or to another state of it.
    """
    log = path.with_name(path.name + "-wal")
    if not log.exists() or log.stat().st_size <= _HEADER_BYTES:
        return
    markers = _markers(log)
    if not markers:
        return  # SQLite began it, and was killed before it was marked
    try:
        # Immutable: as it is without the log.
        with closing(
            apsw.Connection(
                f"{path.as_uri()}?immutable=1",
                flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
            )
        ) as connection:
            state = _state(connection)
    except apsw.Error:
        return  # half of the log was written back, which it makes whole again
    if not any(state in (marker[:_STATE_BYTES], marker[_STATE_BYTES:]) for marker in markers):
        raise WrongDatabase(
            f"{log} is the write-ahead log of another database, or of another state of {path}; was "
            "a copy or a backup put in its place? Put the two together that belong together. To go "
            "on without the writes that are in the log only, move the log away"
        )


def _state(connection: apsw.Connection) -> bytes:
    if not connection.table_exists("main", TABLE):
        return _NO_STATE
    for (marker,) in connection.execute(f"SELECT marker FROM {TABLE}"):  # noqa: S608
        return bytes(marker[-_STATE_BYTES:])
    return _NO_STATE


def _markers(log: Path) -> list[bytes]:
    """Before and after, of each marker in the part of the log that is in use."""
    with log.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        page_bytes, salts = int.from_bytes(content[8:12]), content[16:24]
        frame_bytes = _FRAME_HEADER_BYTES + page_bytes
        end = _HEADER_BYTES
        while page_bytes and content[end + 8 : end + 16] == salts:
            end += frame_bytes
        found = []
        place = content.find(_MAGIC, _HEADER_BYTES, end)
        while place >= 0:
            place += len(_MAGIC)
            found.append(content[place : place + 2 * _STATE_BYTES])
            place = content.find(_MAGIC, place, end)
    return found
