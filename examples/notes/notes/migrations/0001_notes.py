import peewee

ACCOUNT = peewee.SQL("REFERENCES accounts (id) ON DELETE CASCADE")


def up(migrator: object, db: peewee.Database) -> None:
    class Note(db.Model):  # type: ignore[name-defined, misc]  # made at run time by Peewee
        account_id = peewee.TextField(index=True, constraints=[ACCOUNT])
        text = peewee.TextField()

        class Meta:
            table_name = "notes"
            strict_tables = isinstance(db, peewee.SqliteDatabase)  # others are strict anyway

    db.create_tables([Note], safe=False)
