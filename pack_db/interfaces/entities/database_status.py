from dataclasses import dataclass

GOOD_HEALTH = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """How the database is, as it sees itself."""

    engine: str  # name and version, such as "SQLite 3.54.1"
    path: str
    size_bytes: int  # of the database without its write-ahead log
    log_bytes: int | None = None  # of the write-ahead log; None if the server keeps it to itself
    schema_version: str  # name of the newest migration applied, or "unreadable"
    durability: str  # in words: what a write survives whose reply has arrived
    health: str  # GOOD_HEALTH, or in words what is wrong and what to do
