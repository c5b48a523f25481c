from datetime import date, time
from decimal import Decimal

import apsw


def as_text(cursor: apsw.Cursor, number: int, value: object) -> str:
    """What SQLite has no type for, as Peewee's fields for it read it."""
    if isinstance(value, (date, time, Decimal)):
        return str(value)
    raise TypeError(f"SQLite cannot hold a {type(value).__name__}")
