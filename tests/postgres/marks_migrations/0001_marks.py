import peewee
from playhouse.migrate import SchemaMigrator

ACCOUNT = peewee.SQL("REFERENCES accounts (id) ON DELETE CASCADE")


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    class Marks(db.Model):  # type: ignore[name-defined, misc]  # made at run time by Peewee
        account_id = peewee.TextField(constraints=[ACCOUNT])
        text = peewee.TextField(null=True)
        weight = peewee.DoubleField()
        is_open = peewee.BooleanField()
        picture = peewee.BlobField()

    db.create_tables([Marks], safe=False)
