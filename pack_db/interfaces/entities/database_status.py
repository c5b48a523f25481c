from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    engine: str  # name and version, such as "SQLite 3.54.1"
    path: str
    size_bytes: int  # the database and its write-ahead log
    schema_version: str  # name of the newest migration applied
    durability: str  # in words: what a write survives whose reply has arrived
