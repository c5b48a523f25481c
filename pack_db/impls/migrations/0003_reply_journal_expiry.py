import peewee
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    db.execute_sql(  # type: ignore[no-untyped-call]
        'CREATE INDEX "reply_journal_expiry" ON "reply_journal" ("boot_id", "expires_ns")'
    )
