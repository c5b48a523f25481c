from collections.abc import Callable
from typing import Any

import pytest

from pack_db.errors import AccountInactive, AccountNotFound, InsufficientTokens, InvalidInput
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import Account, CreateAccountInput, UpdateAccountInput
from pack_db.interfaces.entities.token import LedgerEntry, TokenBalance
from pack_db.interfaces.token_repo import TokenRepo
from tests.contract.test_accounts import BAD_AMOUNTS, BAD_IDS, MAX_TOKENS, NO_AMOUNTS, NOBODY

OpenAccount = Callable[[int, int], str]


@pytest.fixture
def open_account(accounts: AccountRepo, new_email: Callable[[], str]) -> OpenAccount:
    """Opens an account with an allowance and a top-up; gives its id."""

    def open_account(token_remaining: int, topup_remaining: int) -> str:
        return accounts.create_account(
            CreateAccountInput(
                email=new_email(),
                token_remaining=token_remaining,
                topup_remaining=topup_remaining,
            )
        ).id

    return open_account


def balance(account_id: str, token_remaining: int, topup_remaining: int) -> TokenBalance:
    return TokenBalance(
        account_id=account_id, token_remaining=token_remaining, topup_remaining=topup_remaining
    )


def changes(entries: list[LedgerEntry]) -> list[tuple[str, int, int, int]]:
    return [(e.kind, e.amount, e.token_remaining, e.topup_remaining) for e in entries]


def test_a_balance_is_the_allowance_and_the_top_up(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    account_id = open_account(10, 5)
    found = tokens.get_balance(account_id)
    assert found == balance(account_id, 10, 5)
    assert found.total == 15


@pytest.mark.parametrize(
    ("amount", "token_remaining", "topup_remaining"),
    [(1, 9, 5), (10, 0, 5), (11, 0, 4), (15, 0, 0)],
)
def test_the_allowance_is_consumed_before_the_top_up(
    tokens: TokenRepo,
    open_account: OpenAccount,
    amount: int,
    token_remaining: int,
    topup_remaining: int,
) -> None:
    account_id = open_account(10, 5)
    left = balance(account_id, token_remaining, topup_remaining)
    assert tokens.consume_tokens(account_id, amount) == left
    assert tokens.get_balance(account_id) == left


def test_a_refused_consumption_takes_nothing(tokens: TokenRepo, open_account: OpenAccount) -> None:
    account_id = open_account(10, 5)
    with pytest.raises(InsufficientTokens) as caught:
        tokens.consume_tokens(account_id, 16)
    assert (caught.value.requested, caught.value.remaining) == (16, 15)
    assert tokens.get_balance(account_id) == balance(account_id, 10, 5)
    assert len(tokens.list_entries(account_id)) == 1


def test_an_overdraft_becomes_a_debt_that_the_next_top_up_pays(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    account_id = open_account(10, 5)
    in_debt = tokens.consume_tokens(account_id, 20, allow_overdraft=True)
    assert in_debt == balance(account_id, 0, -5)
    assert in_debt.total == -5
    with pytest.raises(InsufficientTokens) as caught:
        tokens.consume_tokens(account_id, 1)
    assert caught.value.remaining == -5
    assert tokens.top_up(account_id, 3) == balance(account_id, 0, -2)
    assert tokens.top_up(account_id, 3) == balance(account_id, 0, 1)


def test_an_overdraft_takes_what_is_there_first(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    account_id = open_account(10, 5)
    left = tokens.consume_tokens(account_id, 12, allow_overdraft=True)
    assert left == balance(account_id, 0, 3)


def test_a_renewal_leaves_a_debt_and_a_debt_counts_against_the_allowance(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    account_id = open_account(0, 0)
    tokens.consume_tokens(account_id, 30, allow_overdraft=True)
    assert tokens.renew_plan(account_id, 100) == balance(account_id, 100, -30)
    with pytest.raises(InsufficientTokens) as caught:
        tokens.consume_tokens(account_id, 71)
    assert caught.value.remaining == 70
    assert tokens.consume_tokens(account_id, 70) == balance(account_id, 30, -30)


def test_an_inactive_account_consumes_only_what_has_already_happened(
    accounts: AccountRepo, tokens: TokenRepo, account: Account
) -> None:
    accounts.update_account(account.id, UpdateAccountInput(status=0))
    with pytest.raises(AccountInactive):
        tokens.consume_tokens(account.id, 1)
    assert tokens.get_balance(account.id) == balance(account.id, 1000, 0)
    left = tokens.consume_tokens(account.id, 1, allow_overdraft=True)
    assert left == balance(account.id, 999, 0)
    assert tokens.top_up(account.id, 1) == balance(account.id, 999, 1)
    assert tokens.renew_plan(account.id) == balance(account.id, 1000, 1)


def test_a_top_up_adds_to_the_top_up_alone(tokens: TokenRepo, open_account: OpenAccount) -> None:
    account_id = open_account(10, 5)
    assert tokens.top_up(account_id, 7) == balance(account_id, 10, 12)


def test_no_balance_leaves_the_range_of_whole_numbers_that_every_language_has(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    account_id = open_account(MAX_TOKENS, MAX_TOKENS - 1)
    assert tokens.top_up(account_id, 1).topup_remaining == MAX_TOKENS
    with pytest.raises(InvalidInput):
        tokens.top_up(account_id, 1)
    assert tokens.consume_tokens(account_id, MAX_TOKENS) == balance(account_id, 0, MAX_TOKENS)
    assert tokens.consume_tokens(account_id, MAX_TOKENS) == balance(account_id, 0, 0)
    deepest = tokens.consume_tokens(account_id, MAX_TOKENS, allow_overdraft=True)
    assert deepest == balance(account_id, 0, -MAX_TOKENS)
    with pytest.raises(InvalidInput):
        tokens.consume_tokens(account_id, 1, allow_overdraft=True)
    assert tokens.get_balance(account_id) == deepest
    assert sum(e.amount for e in tokens.list_entries(account_id)) == -MAX_TOKENS


def test_an_overdraft_that_the_allowance_covers_in_part_may_go_down_to_the_lowest_debt(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    account_id = open_account(0, 0)
    tokens.consume_tokens(account_id, MAX_TOKENS, allow_overdraft=True)
    tokens.renew_plan(account_id, 10)
    left = tokens.consume_tokens(account_id, 10, allow_overdraft=True)
    assert left == balance(account_id, 0, -MAX_TOKENS)


@pytest.mark.parametrize(
    ("plan_name", "allowance"), [("Free", 1_000), ("Pro", 50_000), ("Enterprise", 500_000)]
)
def test_a_renewal_grants_what_the_plan_of_now_grants(
    accounts: AccountRepo, tokens: TokenRepo, account: Account, plan_name: str, allowance: int
) -> None:
    tokens.consume_tokens(account.id, 400)
    tokens.top_up(account.id, 5)
    accounts.update_account(account.id, UpdateAccountInput(plan_name=plan_name))
    assert tokens.get_balance(account.id) == balance(account.id, 600, 5)
    assert tokens.renew_plan(account.id) == balance(account.id, allowance, 5)


@pytest.mark.parametrize("token_remaining", [0, 1, MAX_TOKENS])
def test_a_renewal_may_say_how_many_tokens(
    tokens: TokenRepo, account: Account, token_remaining: int
) -> None:
    renewed = tokens.renew_plan(account.id, token_remaining)
    assert renewed == balance(account.id, token_remaining, 0)


def test_a_plan_without_a_known_allowance_is_renewed_by_an_explicit_one_only(
    accounts: AccountRepo, tokens: TokenRepo, account: Account
) -> None:
    accounts.update_account(account.id, UpdateAccountInput(plan_name="Gold"))
    with pytest.raises(InvalidInput, match="token_remaining"):
        tokens.renew_plan(account.id)
    assert tokens.get_balance(account.id) == balance(account.id, 1000, 0)
    assert tokens.renew_plan(account.id, 7) == balance(account.id, 7, 0)
    assert [e.number for e in tokens.list_entries(account.id)] == [1, 2]


@pytest.mark.parametrize("amount", [0, *BAD_AMOUNTS, *NO_AMOUNTS, None])
def test_a_bad_amount_is_refused_and_changes_nothing(
    tokens: TokenRepo, account: Account, amount: Any
) -> None:
    with pytest.raises(InvalidInput):
        tokens.consume_tokens(account.id, amount)
    with pytest.raises(InvalidInput):
        tokens.consume_tokens(account.id, amount, allow_overdraft=True)
    with pytest.raises(InvalidInput):
        tokens.top_up(account.id, amount)
    assert tokens.get_balance(account.id) == balance(account.id, 1000, 0)
    assert len(tokens.list_entries(account.id)) == 1


@pytest.mark.parametrize("token_remaining", [*BAD_AMOUNTS, *NO_AMOUNTS])
def test_a_bad_allowance_is_refused_and_changes_nothing(
    tokens: TokenRepo, account: Account, token_remaining: Any
) -> None:
    with pytest.raises(InvalidInput):
        tokens.renew_plan(account.id, token_remaining)
    assert tokens.get_balance(account.id) == balance(account.id, 1000, 0)
    assert len(tokens.list_entries(account.id)) == 1


@pytest.mark.parametrize("allow_overdraft", [1, 0, None, "yes", 1.0])
def test_an_overdraft_is_allowed_by_true_and_nothing_else(
    tokens: TokenRepo, account: Account, allow_overdraft: Any
) -> None:
    with pytest.raises(InvalidInput):
        tokens.consume_tokens(account.id, 1, allow_overdraft=allow_overdraft)
    assert tokens.get_balance(account.id) == balance(account.id, 1000, 0)


@pytest.mark.parametrize("account_id", [*BAD_IDS, "\ud800", None, 5, True, b"bytes", [NOBODY]])
def test_a_malformed_id_is_refused(tokens: TokenRepo, account_id: Any) -> None:
    with pytest.raises(InvalidInput):
        tokens.get_balance(account_id)
    with pytest.raises(InvalidInput):
        tokens.consume_tokens(account_id, 1)
    with pytest.raises(InvalidInput):
        tokens.top_up(account_id, 1)
    with pytest.raises(InvalidInput):
        tokens.renew_plan(account_id)
    with pytest.raises(InvalidInput):
        tokens.list_entries(account_id)


def test_an_unknown_account_is_not_found(tokens: TokenRepo) -> None:
    with pytest.raises(AccountNotFound, match=NOBODY):
        tokens.get_balance(NOBODY)
    with pytest.raises(AccountNotFound, match=NOBODY):
        tokens.consume_tokens(NOBODY, 1)
    with pytest.raises(AccountNotFound, match=NOBODY):
        tokens.consume_tokens(NOBODY, 1, allow_overdraft=True)
    with pytest.raises(AccountNotFound, match=NOBODY):
        tokens.top_up(NOBODY, 1)
    with pytest.raises(AccountNotFound, match=NOBODY):
        tokens.renew_plan(NOBODY)
    with pytest.raises(AccountNotFound, match=NOBODY):
        tokens.list_entries(NOBODY)


def test_every_change_is_an_entry_of_the_ledger(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    account_id = open_account(10, 5)
    tokens.consume_tokens(account_id, 12)
    tokens.consume_tokens(account_id, 8, allow_overdraft=True)
    tokens.top_up(account_id, 20)
    tokens.renew_plan(account_id, 50)
    tokens.renew_plan(account_id, 40)
    entries = tokens.list_entries(account_id)
    assert changes(entries) == [
        ("opening", 15, 10, 5),
        ("consumption", -12, 0, 3),
        ("consumption", -8, 0, -5),
        ("top_up", 20, 0, 15),
        ("renewal", 50, 50, 15),
        ("renewal", -10, 40, 15),
    ]
    assert [e.number for e in entries] == [1, 2, 3, 4, 5, 6]
    assert {e.account_id for e in entries} == {account_id}
    assert [e.created_at for e in entries] == sorted(e.created_at for e in entries)
    assert sum(e.amount for e in entries) == tokens.get_balance(account_id).total


def test_what_is_refused_leaves_no_gap_in_the_ledger(
    accounts: AccountRepo, tokens: TokenRepo, account: Account
) -> None:
    accounts.update_account(account.id, UpdateAccountInput(plan_name="Gold"))
    tokens.consume_tokens(account.id, 1)
    with pytest.raises(InsufficientTokens):
        tokens.consume_tokens(account.id, 1000)
    with pytest.raises(InvalidInput):
        tokens.top_up(account.id, 0)
    with pytest.raises(InvalidInput):
        tokens.renew_plan(account.id)
    tokens.top_up(account.id, 1)
    assert [e.number for e in tokens.list_entries(account.id)] == [1, 2, 3]


def test_an_account_of_zero_tokens_has_an_opening_entry_too(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    assert changes(tokens.list_entries(open_account(0, 0))) == [("opening", 0, 0, 0)]


def test_the_accounts_have_ledgers_of_their_own(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    one, other = open_account(1, 0), open_account(2, 0)
    tokens.top_up(one, 10)
    tokens.top_up(other, 20)
    assert [e.amount for e in tokens.list_entries(one)] == [1, 10]
    assert [e.amount for e in tokens.list_entries(other)] == [2, 20]


def test_the_ledger_is_read_page_by_page(tokens: TokenRepo, open_account: OpenAccount) -> None:
    account_id = open_account(0, 0)
    for amount in (1, 2, 3, 4):
        tokens.top_up(account_id, amount)
    every = tokens.list_entries(account_id)
    first = tokens.list_entries(account_id, limit=2)
    second = tokens.list_entries(account_id, first[-1].number, 2)
    third = tokens.list_entries(account_id, after=second[-1].number, limit=2)
    assert [len(page) for page in (first, second, third)] == [2, 2, 1]
    assert first + second + third == every
    assert tokens.list_entries(account_id, after=5) == []
    assert tokens.list_entries(account_id, after=2**63 - 1) == []


@pytest.mark.parametrize("limit", [0, -1, 501, 2**63, 2**64, True, 1.0, "1", None])
def test_a_page_has_1_to_500_entries(tokens: TokenRepo, account: Account, limit: Any) -> None:
    with pytest.raises(InvalidInput):
        tokens.list_entries(account.id, limit=limit)


@pytest.mark.parametrize("after", [-1, 2**63, 2**64, True, 1.0, "1", None])
def test_an_entry_is_named_by_its_number(tokens: TokenRepo, account: Account, after: Any) -> None:
    with pytest.raises(InvalidInput):
        tokens.list_entries(account.id, after)


def test_a_bad_argument_is_refused_before_the_account_is_looked_for(tokens: TokenRepo) -> None:
    with pytest.raises(InvalidInput):
        tokens.consume_tokens(NOBODY, 0)
    with pytest.raises(InvalidInput):
        tokens.top_up(NOBODY, 0)
    with pytest.raises(InvalidInput):
        tokens.renew_plan(NOBODY, -1)
    with pytest.raises(InvalidInput):
        tokens.list_entries(NOBODY, limit=501)
    with pytest.raises(InvalidInput):
        tokens.list_entries(NOBODY, -1)


def test_the_ledger_of_all_accounts_is_paged_in_the_order_of_its_accounts(
    tokens: TokenRepo, open_account: OpenAccount
) -> None:
    before = open_account(1, 0)
    ids = [open_account(10, 5) for _ in range(3)]
    for account_id in ids:
        tokens.consume_tokens(account_id, 1)
        tokens.top_up(account_id, 2)
    expected = [entry for account_id in ids for entry in tokens.list_entries(account_id)]
    assert len(expected) == 9
    for limit in (1, 2, 4, 9):
        place, found = (before, 1), []
        while page := tokens.list_ledger(*place, limit):
            assert len(page) <= limit
            found += page
            place = (page[-1].account_id, page[-1].number)
        assert found == expected
    assert tokens.list_ledger(limit=1) != []


def test_the_ledger_of_all_goes_on_where_an_account_is_gone(
    accounts: AccountRepo, tokens: TokenRepo, open_account: OpenAccount
) -> None:
    gone, next_id = open_account(1, 0), open_account(1, 0)
    accounts.delete_account(gone)
    for number in (0, 1, 99):
        assert [e.account_id for e in tokens.list_ledger(gone, number, 1)] == [next_id]


@pytest.mark.parametrize(
    "place",
    [("",), (*BAD_IDS[:1],), (5,), (NOBODY, -1), (NOBODY, 2**63), (NOBODY, 0, 0), (None, 0, 501)],
)
def test_a_bad_place_in_the_ledger_is_refused(tokens: TokenRepo, place: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput):
        tokens.list_ledger(*place)
