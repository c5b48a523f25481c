import click

from pack_db.interfaces.entities.account import Account
from pack_db_client import PackDb

account_argument = click.argument("account")
"""An account, by its id or its e-mail address."""


def find_account(db: PackDb, account: str) -> Account:
    if "@" in account:
        return db.accounts.get_account_by_email(account)
    return db.accounts.get_account(account)


def find_account_id(db: PackDb, account: str) -> str:
    return find_account(db, account).id if "@" in account else account
