"""The tables as of the newest migration, for Peewee to write queries against.

The models are not bound to a database: `DatabaseConnection.compile` turns their queries into
the SQL of the one it is connected to.
"""

import peewee


class AccountModel(peewee.Model):
    id = peewee.TextField(primary_key=True)
    email = peewee.TextField()
    email_key = peewee.TextField()  # what addresses are compared by
    api_key_hash = peewee.BlobField()
    api_key_tail = peewee.TextField()
    plan_name = peewee.TextField()
    token_remaining = peewee.BigIntegerField()
    topup_remaining = peewee.BigIntegerField()
    entry_count = peewee.BigIntegerField()  # the number of the account's last ledger entry
    status = peewee.IntegerField()
    created_at = peewee.BigIntegerField()
    updated_at = peewee.BigIntegerField()

    class Meta:
        table_name = "accounts"


class LedgerEntryModel(peewee.Model):
    account_id = peewee.TextField()
    number = peewee.BigIntegerField()
    kind = peewee.TextField()
    amount = peewee.BigIntegerField()
    token_remaining = peewee.BigIntegerField()
    topup_remaining = peewee.BigIntegerField()
    created_at = peewee.BigIntegerField()

    class Meta:
        table_name = "ledger_entries"
        primary_key = peewee.CompositeKey("account_id", "number")


class DeletedAccountModel(peewee.Model):  # that may have ledger entries left
    id = peewee.TextField(primary_key=True)
    deleted_at = peewee.BigIntegerField()  # whole Unix seconds

    class Meta:
        table_name = "deleted_accounts"


class ReplyJournalModel(peewee.Model):
    client = peewee.BlobField(primary_key=True)  # hash of the client id
    user_id = peewee.BigIntegerField()
    sequence = peewee.BigIntegerField()
    digest = peewee.BlobField()  # of the whole message
    reply = peewee.BlobField()  # sealed with a key made from the client id
    boot_id = peewee.TextField()  # whose CLOCK_MONOTONIC `expires_ns` is
    expires_ns = peewee.BigIntegerField()

    class Meta:
        table_name = "reply_journal"
