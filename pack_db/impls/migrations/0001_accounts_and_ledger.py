import peewee
from playhouse.migrate import SchemaMigrator

MAX_TOKENS = 2**53 - 1


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    on_sqlite = isinstance(db, peewee.SqliteDatabase)  # others are strict anyway

    class Account(db.Model):  # type: ignore[name-defined, misc]  # made at run time by Peewee
        id = peewee.TextField(primary_key=True)
        email = peewee.TextField(constraints=[peewee.Check("length(email) BETWEEN 3 AND 254")])
        email_key = peewee.TextField(unique=True)
        api_key_hash = peewee.BlobField(
            unique=True, constraints=[peewee.Check("length(api_key_hash) = 32")]
        )
        api_key_tail = peewee.TextField(constraints=[peewee.Check("length(api_key_tail) = 4")])
        plan_name = peewee.TextField(constraints=[peewee.Check("length(plan_name) > 0")])
        token_remaining = peewee.BigIntegerField(
            constraints=[peewee.Check(f"token_remaining BETWEEN 0 AND {MAX_TOKENS}")]
        )
        topup_remaining = peewee.BigIntegerField(
            constraints=[peewee.Check(f"topup_remaining BETWEEN -{MAX_TOKENS} AND {MAX_TOKENS}")]
        )
        entry_count = peewee.BigIntegerField(constraints=[peewee.Check("entry_count > 0")])
        status = peewee.IntegerField(constraints=[peewee.Check("status IN (0, 1)")])
        created_at = peewee.BigIntegerField()
        updated_at = peewee.BigIntegerField()

        class Meta:
            table_name = "accounts"
            strict_tables = on_sqlite
            without_rowid = on_sqlite

    class LedgerEntry(db.Model):  # type: ignore[name-defined, misc]  # made at run time by Peewee
        account = peewee.ForeignKeyField(Account, on_delete="CASCADE", index=False)
        number = peewee.BigIntegerField(constraints=[peewee.Check("number > 0")])
        kind = peewee.TextField(
            constraints=[peewee.Check("kind IN ('opening', 'consumption', 'top_up', 'renewal')")]
        )
        amount = peewee.BigIntegerField()
        token_remaining = peewee.BigIntegerField()
        topup_remaining = peewee.BigIntegerField()
        created_at = peewee.BigIntegerField()

        class Meta:
            table_name = "ledger_entries"
            primary_key = peewee.CompositeKey("account", "number")
            strict_tables = on_sqlite
            # Clustered by account: a page of one account's entries is read in one go,
            # and a new entry touches one page instead of a table's and an index's.
            without_rowid = on_sqlite

    db.create_tables([Account, LedgerEntry], safe=False)
