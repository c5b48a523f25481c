"""The ledger of a deleted account goes in steps: its entries outlive it for a while."""

import peewee
from playhouse.migrate import SchemaMigrator

_FOREIGN_KEYS = """
    SELECT conname FROM pg_constraint
    WHERE contype = 'f' AND conrelid = to_regclass('ledger_entries')
"""


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    on_sqlite = isinstance(db, peewee.SqliteDatabase)  # others are strict anyway

    class DeletedAccount(db.Model):  # type: ignore[name-defined, misc]  # made at run time by Peewee
        id = peewee.TextField(primary_key=True)
        deleted_at = peewee.BigIntegerField()

        class Meta:
            table_name = "deleted_accounts"
            strict_tables = on_sqlite
            without_rowid = on_sqlite

    db.create_tables([DeletedAccount], safe=False)
    if on_sqlite:
        _copy_ledger(db)
    else:
        for (name,) in db.execute_sql(_FOREIGN_KEYS).fetchall():  # type: ignore[no-untyped-call]
            db.execute_sql(f'ALTER TABLE ledger_entries DROP CONSTRAINT "{name}"')  # type: ignore[no-untyped-call]


def _copy_ledger(db: peewee.Database) -> None:
    """SQLite cannot drop a constraint (sqlite.org/lang_altertable.html, 7)."""

    class LedgerEntry(db.Model):  # type: ignore[name-defined, misc]  # made at run time by Peewee
        account_id = peewee.TextField()
        number = peewee.BigIntegerField(constraints=[peewee.Check("number > 0")])
        kind = peewee.TextField(
            constraints=[peewee.Check("kind IN ('opening', 'consumption', 'top_up', 'renewal')")]
        )
        amount = peewee.BigIntegerField()
        token_remaining = peewee.BigIntegerField()
        topup_remaining = peewee.BigIntegerField()
        created_at = peewee.BigIntegerField()

        class Meta:
            table_name = "ledger_entries_copy"
            primary_key = peewee.CompositeKey("account_id", "number")
            strict_tables = True
            without_rowid = True

    db.create_tables([LedgerEntry], safe=False)
    for statement in (
        "INSERT INTO ledger_entries_copy SELECT * FROM ledger_entries",
        "DROP TABLE ledger_entries",
        "ALTER TABLE ledger_entries_copy RENAME TO ledger_entries",
    ):
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
