import click

from pack_db.errors import AccountNotFound
from pack_db.interfaces.entities.account import Account
from pack_db_client import PackDb

account_argument = click.argument("account")
"""An account, by its id or its e-mail address."""


def find_account(db: PackDb, account: str) -> Account:
    """
    Raises:
        AccountNotFound: there is no such account.
    """
    if "@" in account:
        found, what = db.accounts.get_account_by_email(account), "e-mail address"
    else:
        found, what = db.accounts.get_account(account), "id"
    if found is None:
        raise AccountNotFound(f"no account has the {what} {account}")
    return found


def find_account_id(db: PackDb, account: str) -> str:
    return find_account(db, account).id if "@" in account else account
