import click

from pack_db.interfaces.entities.token import TokenBalance
from pack_db_client import PackDb
from pack_db_daemon.cli.common.account_argument import account_argument, find_account_id
from pack_db_daemon.cli.common.client import with_client
from pack_db_daemon.cli.common.output import Output
from pack_db_daemon.cli.common.paging import pages
from pack_db_daemon.cli.services.usage import usage

_COLUMNS = ("number", "kind", "amount", "token_remaining", "topup_remaining", "created_at")


@click.group()
def tokens() -> None:
    """Show and change tokens, those of one account or the use of all.

    An ACCOUNT is given by its id or its e-mail address.
    """


@tokens.command()
@account_argument
@with_client
def balance(db: PackDb, out: Output, account: str) -> None:
    """Show how many tokens are left.

    \b
    Example:
      pack-db tokens balance user@example.com
    """
    _show(out, db.tokens.get_balance(find_account_id(db, account)))


@tokens.command()
@account_argument
@click.argument("amount", type=int)
@click.option(
    "--allow-overdraft",
    is_flag=True,
    help="Book usage that has already happened, even if too few tokens are left.",
)
@with_client
def consume(db: PackDb, out: Output, account: str, amount: int, allow_overdraft: bool) -> None:
    """Take tokens, the plan's allowance before the top-up.

    \b
    Examples:
      pack-db tokens consume user@example.com 120
      pack-db tokens consume user@example.com 120 --allow-overdraft
    """
    account_id = find_account_id(db, account)
    _show(out, db.tokens.consume_tokens(account_id, amount, allow_overdraft=allow_overdraft))


@tokens.command()
@account_argument
@click.argument("amount", type=int)
@with_client
def top_up(db: PackDb, out: Output, account: str, amount: int) -> None:
    """Add bought tokens, which no renewal takes away.

    \b
    Example:
      pack-db tokens top-up user@example.com 5000
    """
    _show(out, db.tokens.top_up(find_account_id(db, account), amount))


@tokens.command()
@account_argument
@click.option(
    "--tokens",
    "token_remaining",
    type=int,
    help="The new allowance. [default: what the plan grants]",
)
@with_client
def renew(db: PackDb, out: Output, account: str, token_remaining: int | None) -> None:
    """Set the allowance anew, as at the start of a billing period.

    \b
    Examples:
      pack-db tokens renew user@example.com
      pack-db tokens renew user@example.com --tokens 2000
    """
    _show(out, db.tokens.renew_plan(find_account_id(db, account), token_remaining))


@tokens.command()
@account_argument
@click.option(
    "--after",
    metavar="NUMBER",
    type=int,
    default=0,
    help="Start behind the entry of this number.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Entries at most. [default: all]")
@with_client
def entries(db: PackDb, out: Output, account: str, after: int, limit: int | None) -> None:
    """Show every change of the balance, oldest first.

    \b
    Examples:
      pack-db tokens entries user@example.com
      pack-db tokens entries user@example.com --after 100 --limit 10 --json
    """
    account_id = find_account_id(db, account)
    out.rows(
        pages(
            lambda number, size: db.tokens.list_entries(account_id, number, size),
            lambda row: row.number,
            after,
            limit,
        ),
        _COLUMNS,
    )


tokens.add_command(usage)


def _show(out: Output, balance: TokenBalance) -> None:
    out.record(balance)
    out.note(f"Both together: {balance.total} tokens.")
