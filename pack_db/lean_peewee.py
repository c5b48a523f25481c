import sys


def import_peewee_without_psycopg() -> None:
    """Import Peewee for SQLite alone; for a process that never opens a server's database.

    Peewee imports every driver that is installed, and psycopg takes 15 MiB. Whoever else wants
    psycopg may still import it.
    """
    if "peewee" in sys.modules or "psycopg" in sys.modules:
        return
    sys.modules["psycopg"] = None  # type: ignore[assignment]  # to import it fails then
    try:
        import playhouse.migrations  # noqa: F401  # which looks for drivers, too
    finally:
        del sys.modules["psycopg"]
