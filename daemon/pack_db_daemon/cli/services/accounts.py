import sys

import click

from pack_db.interfaces.entities.account import (
    AccountStatus,
    CreateAccountInput,
    UpdateAccountInput,
)
from pack_db_client import PackDb
from pack_db_daemon.cli.common.account_argument import (
    account_argument,
    find_account,
    find_account_id,
)
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output
from pack_db_daemon.cli.common.paging import pages

_COLUMNS = ("id", "email", "plan_name", "token_remaining", "topup_remaining", "status")
_KEY_NOTE = "This is the only time that the API key is shown."


@click.group()
def accounts() -> None:
    """Create, find and change accounts.

    An ACCOUNT is given by its id or its e-mail address.
    """


@accounts.command()
@click.argument("email")
@click.option("--plan", "plan_name", default="Free", show_default=True, help="Name of the plan.")
@click.option(
    "--tokens",
    "token_remaining",
    type=int,
    help="Allowance to start with. [default: what the plan grants]",
)
@click.option(
    "--topup",
    "topup_remaining",
    type=int,
    default=0,
    show_default=True,
    help="Tokens on top of the allowance.",
)
@with_client
def create(
    db: PackDb,
    out: Output,
    email: str,
    plan_name: str,
    token_remaining: int | None,
    topup_remaining: int,
) -> None:
    """Open an account and show its API key, which cannot be read again.

    \b
    Examples:
      pack-db accounts create user@example.com
      pack-db accounts create user@example.com --plan Pro --json
      pack-db accounts create user@example.com --plan Trial --tokens 100
    """
    account = db.accounts.create_account(
        CreateAccountInput(
            email=email,
            plan_name=plan_name,
            token_remaining=token_remaining,
            topup_remaining=topup_remaining,
        )
    )
    out.record(account)
    out.note(_KEY_NOTE)


@accounts.command()
@account_argument
@with_client
def get(db: PackDb, out: Output, account: str) -> None:
    """Show one account.

    \b
    Examples:
      pack-db accounts get user@example.com
      pack-db accounts get 01932c07-9d3e-7c55-8a2f-3f5d0c9b1e42 --json
    """
    out.record(find_account(db, account))


@accounts.command(name="list")
@click.option("--after", metavar="ACCOUNT", help="Start behind this account.")
@click.option("--limit", type=click.IntRange(min=1), help="Accounts at most. [default: all]")
@with_client
def list_accounts(db: PackDb, out: Output, after: str | None, limit: int | None) -> None:
    """Show all accounts, oldest first.

    \b
    Examples:
      pack-db accounts list
      pack-db accounts list --limit 10
      pack-db accounts list --json | jq -r '.[].email'
    """
    after = None if after is None else find_account_id(db, after)
    out.rows(pages(db.accounts.list_accounts, lambda row: row.id, after, limit), _COLUMNS)


@accounts.command()
@account_argument
@click.option("--email", help="The new address.")
@click.option("--plan", "plan_name", help="The new plan; tokens stay until 'tokens renew'.")
@click.option(
    "--status",
    type=click.Choice([status.name.lower() for status in AccountStatus]),
    help="An inactive account cannot authenticate or consume tokens.",
)
@with_client
def update(
    db: PackDb,
    out: Output,
    account: str,
    email: str | None,
    plan_name: str | None,
    status: str | None,
) -> None:
    """Change the address, plan or status of an account.

    \b
    Examples:
      pack-db accounts update user@example.com --plan Pro
      pack-db accounts update user@example.com --email new@example.com
      pack-db accounts update user@example.com --status inactive
    """
    changes = UpdateAccountInput(
        email=email,
        plan_name=plan_name,
        status=None if status is None else AccountStatus[status.upper()],
    )
    if changes == UpdateAccountInput():
        raise click.UsageError("say what to change: --email, --plan or --status")
    out.record(db.accounts.update_account(find_account_id(db, account), changes))


@accounts.command()
@account_argument
@with_client
def rotate_key(db: PackDb, out: Output, account: str) -> None:
    """Replace the API key of an account; the old key stops working at once.

    \b
    Example:
      pack-db accounts rotate-key user@example.com
    """
    out.record(db.accounts.rotate_api_key(find_account_id(db, account)))
    out.note(_KEY_NOTE)


@accounts.command()
@account_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_client
def delete(db: PackDb, out: Output, account: str, yes: bool) -> None:
    """Delete an account and its ledger, and show what it was.

    \b
    Examples:
      pack-db accounts delete user@example.com
      pack-db accounts delete user@example.com --yes
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for confirmation; say --yes")
    found = find_account(db, account)
    question = f"Delete account {found.id} ({found.email}) and its ledger?"
    if not yes and not click.confirm(question, err=True):
        raise click.exceptions.Exit(1)
    db.accounts.delete_account(found.id)
    out.record(found)
    out.note("This account is deleted.")
