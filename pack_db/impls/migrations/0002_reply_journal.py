import peewee
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    on_sqlite = isinstance(db, peewee.SqliteDatabase)  # others are strict anyway

    class ReplyJournalRow(db.Model):  # type: ignore[name-defined, misc]  # made at run time
        client = peewee.BlobField(primary_key=True)
        user_id = peewee.BigIntegerField()
        sequence = peewee.BigIntegerField()
        digest = peewee.BlobField()
        reply = peewee.BlobField()
        boot_id = peewee.TextField()
        expires_ns = peewee.BigIntegerField()

        class Meta:
            table_name = "reply_journal"
            without_rowid = on_sqlite
            strict_tables = on_sqlite

    db.create_tables([ReplyJournalRow], safe=False)
