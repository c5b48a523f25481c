"""The schema that all tables of pack-db are in, and those of other people's services.

So none meets a table of an application whose database it is, too.
"""

from collections.abc import Iterable

from pack_db.errors import WrongDatabase

SCHEMA = "pack_db"

# As `application_id` in a file; a dump has it, too.
_MARK = "the tables of pack-db"

LOOK = f"""
    SELECT obj_description(oid, 'pg_namespace'),
        EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid)
    FROM pg_namespace WHERE nspname = '{SCHEMA}'
"""  # noqa: S608
MAKE = f"""
    CREATE SCHEMA IF NOT EXISTS {SCHEMA};
    COMMENT ON SCHEMA {SCHEMA} IS '{_MARK}'
"""


def is_ours(found: Iterable[tuple[str | None, bool]], location: str) -> bool:
    """
    Args:
        found: the rows that `LOOK` gave.

    Returns:
        Whether the schema is there and marked; if not, `MAKE` may be done.

    Raises:
        WrongDatabase: it is another program's.
    """
    for mark, has_tables in found:
        if mark != _MARK and has_tables:
            raise WrongDatabase(
                f"{location} has a schema {SCHEMA} with tables of another program; "
                "set DB_URL to a database without one, or rename it"
            )
        return mark == _MARK
    return False
