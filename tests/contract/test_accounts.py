import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pack_db.errors import (
    AccountInactive,
    AccountNotFound,
    EmailTaken,
    InvalidApiKey,
    InvalidInput,
    MessageTooLarge,
)
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import (
    Account,
    AccountStatus,
    CreateAccountInput,
    UpdateAccountInput,
)
from pack_db.interfaces.token_repo import TokenRepo

NOBODY = "0190a6c2-0000-7000-8000-000000000000"
MAX_TOKENS = 2**53 - 1

BAD_IDS = ["", "1", NOBODY.upper(), NOBODY[:-1], NOBODY + "0", NOBODY + "\n", "\0", "' OR 1=1 --"]
WRONG_TYPES = [5, 1.5, True, b"bytes", ["list"], object()]
BAD_AMOUNTS = [-1, 2**53, 2**63, 2**64 - 1, 2**64, -(2**63) - 1]
NO_AMOUNTS = [1.0, 1.5, float("nan"), float("inf"), True, "1", b"1", [1]]

BAD_EMAILS = {
    "empty": "",
    "white space": "   ",
    "no at": "user.example.com",
    "no name": "@example.com",
    "no domain": "user@",
    "two ats": "a@b@example.com",
    "inner space": "us er@example.com",
    "inner tab": "us\ter@example.com",
    "inner newline": "user@exa\nmple.com",
    "no-break space": "us\u00a0er@example.com",
    "NUL": "user\0@example.com",
    "control character": "user\x7f@example.com",
    "lone surrogate": "user\ud800@example.com",
    "right-to-left override": "user\u202e@example.com",
    "left-to-right isolate": "user\u2066@example.com",
    "zero-width space": "us\u200ber@example.com",
    "injection": "' OR 1=1 --",
    "too long": "a" * 243 + "@example.com",
}

SENDABLE_EMAILS = {name: e for name, e in BAD_EMAILS.items() if name != "lone surrogate"}


def as_read(account: Account) -> Account:
    """An account as it is shown once its key is out of sight."""
    return replace(account, api_key=f"rs_…{account.api_key[-4:]}")


@pytest.fixture
def stranger(accounts: AccountRepo, new_email: Callable[[], str]) -> Account:
    return accounts.create_account(CreateAccountInput(email=new_email()))


def test_a_new_account_has_what_was_asked_for(
    accounts: AccountRepo, new_email: Callable[[], str]
) -> None:
    email = new_email()
    before = int(time.time())
    account = accounts.create_account(
        CreateAccountInput(email=email, plan_name="Trial", token_remaining=7, topup_remaining=3)
    )
    after = int(time.time())
    assert account == Account(
        id=account.id,
        email=email,
        api_key=account.api_key,
        plan_name="Trial",
        token_remaining=7,
        topup_remaining=3,
        status=AccountStatus.ACTIVE,
        created_at=account.created_at,
        updated_at=account.created_at,
    )
    assert before <= account.created_at <= after
    assert accounts.get_account(account.id) == as_read(account)


@pytest.mark.parametrize(
    ("plan_name", "allowance"), [("Free", 1_000), ("Pro", 50_000), ("Enterprise", 500_000)]
)
def test_a_plan_brings_its_allowance(
    accounts: AccountRepo, new_email: Callable[[], str], plan_name: str, allowance: int
) -> None:
    account = accounts.create_account(CreateAccountInput(email=new_email(), plan_name=plan_name))
    assert (account.token_remaining, account.topup_remaining) == (allowance, 0)


def test_the_free_plan_is_the_default(account: Account) -> None:
    assert (account.plan_name, account.token_remaining) == ("Free", 1_000)


@pytest.mark.parametrize("token_remaining", [0, 1, MAX_TOKENS])
def test_explicit_tokens_replace_the_allowance(
    accounts: AccountRepo, new_email: Callable[[], str], token_remaining: int
) -> None:
    account = accounts.create_account(
        CreateAccountInput(email=new_email(), token_remaining=token_remaining)
    )
    assert account.token_remaining == token_remaining


@pytest.mark.parametrize("plan_name", ["Gold", "free", "Ünlimited"])
def test_an_unknown_plan_needs_explicit_tokens(
    accounts: AccountRepo, new_email: Callable[[], str], plan_name: str
) -> None:
    email = new_email()
    with pytest.raises(InvalidInput, match="token_remaining"):
        accounts.create_account(CreateAccountInput(email=email, plan_name=plan_name))
    assert accounts.get_account_by_email(email) is None
    account = accounts.create_account(
        CreateAccountInput(email=email, plan_name=plan_name, token_remaining=1)
    )
    assert account.plan_name == plan_name


@pytest.mark.parametrize("plan_name", ["", " Pro", "Pro\n", "a\0b", "\u202eorP", "x" * 65, None, 5])
def test_a_bad_plan_name_is_refused(
    accounts: AccountRepo, account: Account, new_email: Callable[[], str], plan_name: Any
) -> None:
    with pytest.raises(InvalidInput):
        accounts.create_account(
            CreateAccountInput(email=new_email(), plan_name=plan_name, token_remaining=1)
        )
    if plan_name is not None:
        with pytest.raises(InvalidInput):
            accounts.update_account(account.id, UpdateAccountInput(plan_name=plan_name))


def test_ids_are_time_ordered_uuids(account: Account, stranger: Account) -> None:
    uuid_7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(uuid_7, account.id)
    assert account.id < stranger.id


def test_an_api_key_is_shown_once(
    accounts: AccountRepo, account: Account, new_email: Callable[[], str]
) -> None:
    assert re.fullmatch(r"rs_[0-9a-f]{32}", account.api_key)
    shown = as_read(account)
    assert accounts.get_account(account.id) == shown
    assert accounts.get_account_by_email(account.email) == shown
    assert accounts.authenticate(account.api_key) == shown
    assert shown in accounts.list_accounts(limit=500)
    changed = accounts.update_account(account.id, UpdateAccountInput(email=new_email()))
    assert changed.api_key == shown.api_key


def test_every_account_has_a_key_of_its_own(account: Account, stranger: Account) -> None:
    assert account.api_key != stranger.api_key


def test_rotating_the_key_ends_the_old_one_at_once(accounts: AccountRepo, account: Account) -> None:
    rotated = accounts.rotate_api_key(account.id)
    assert re.fullmatch(r"rs_[0-9a-f]{32}", rotated.api_key)
    assert rotated.api_key != account.api_key
    assert replace(rotated, api_key="", updated_at=0) == replace(account, api_key="", updated_at=0)
    with pytest.raises(InvalidApiKey):
        accounts.authenticate(account.api_key)
    assert accounts.authenticate(rotated.api_key) == as_read(rotated)


@pytest.mark.parametrize(
    "api_key",
    [
        "",
        "rs_",
        "rs_" + "0" * 32,
        "rs_" + "0" * 31,
        "rs_" + "0" * 33,
        "rs_" + "0" * 32 + "\n",
        "rs_" + "٣" * 32,
        "rs_…9f3c",
        "' OR 1=1 --",
        "\0",
    ],
)
def test_a_malformed_or_unknown_key_is_refused(accounts: AccountRepo, api_key: str) -> None:
    with pytest.raises(InvalidApiKey) as caught:
        accounts.authenticate(api_key)
    assert not api_key or api_key not in str(caught.value)


def test_neither_a_masked_key_nor_its_hash_nor_another_case_authenticates(
    accounts: AccountRepo, account: Account
) -> None:
    for almost in (
        as_read(account).api_key,
        hashlib.sha256(account.api_key.encode()).hexdigest(),
        account.api_key.upper(),
        f" {account.api_key}",
    ):
        with pytest.raises(InvalidApiKey):
            accounts.authenticate(almost)


def test_an_inactive_account_is_told_apart_from_a_wrong_key(
    accounts: AccountRepo, account: Account
) -> None:
    accounts.update_account(account.id, UpdateAccountInput(status=AccountStatus.INACTIVE))
    with pytest.raises(AccountInactive):
        accounts.authenticate(account.api_key)
    accounts.update_account(account.id, UpdateAccountInput(status=AccountStatus.ACTIVE))
    assert accounts.authenticate(account.api_key).id == account.id


def test_an_email_address_is_trimmed(accounts: AccountRepo, new_email: Callable[[], str]) -> None:
    email = new_email()
    account = accounts.create_account(CreateAccountInput(email=f" \t{email}\n"))
    assert account.email == email
    assert accounts.get_account_by_email(f"  {email} ") == as_read(account)


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ("User{}@Example.com", "uSER{}@eXAMPLE.COM"),
        ("ÄRGER{}@example.com", "ärger{}@example.com"),
        ("straße{}@example.com", "STRASSE{}@example.com"),
        ("ΟΔΥΣΣΕΥΣ{}@example.com", "οδυσσευς{}@example.com"),
        ("jose\u0301{}@example.com", "JOSÉ{}@example.com"),
        ("\u212bngström{}@example.com", "ångstro\u0308m{}@example.com"),
        ("משתמש{}@example.com", "משתמש{}@EXAMPLE.com"),
        ("مستخدم{}@example.com", " مستخدم{}@example.com"),
    ],
)
def test_one_address_in_two_spellings_is_one_account(
    accounts: AccountRepo, new_email: Callable[[], str], given: str, same: str
) -> None:
    number = new_email().partition("@")[0]
    given, same = given.format(number), same.format(number)
    account = accounts.create_account(CreateAccountInput(email=given))
    assert account.email == given
    assert accounts.get_account_by_email(same) == as_read(account)
    with pytest.raises(EmailTaken):
        accounts.create_account(CreateAccountInput(email=same))


@pytest.mark.parametrize("email", BAD_EMAILS.values(), ids=BAD_EMAILS.keys())
def test_a_bad_address_is_refused(accounts: AccountRepo, account: Account, email: str) -> None:
    with pytest.raises(InvalidInput):
        accounts.create_account(CreateAccountInput(email=email))
    with pytest.raises(InvalidInput):
        accounts.update_account(account.id, UpdateAccountInput(email=email))
    assert accounts.get_account(account.id) == as_read(account)


@pytest.mark.parametrize("email", SENDABLE_EMAILS.values(), ids=SENDABLE_EMAILS.keys())
def test_nobody_has_a_bad_address(accounts: AccountRepo, email: str) -> None:
    assert accounts.get_account_by_email(email) is None


def test_an_address_of_a_megabyte_is_refused(accounts: AccountRepo) -> None:
    # A client finds out before it sends; in process there is no message that could be too large.
    with pytest.raises((InvalidInput, MessageTooLarge)):
        accounts.create_account(CreateAccountInput(email="a" * 2**20 + "@example.com"))


def test_the_longest_address_has_254_characters(
    accounts: AccountRepo, new_email: Callable[[], str]
) -> None:
    email = new_email()
    longest = "ü" * (254 - len(email)) + email
    assert accounts.create_account(CreateAccountInput(email=longest)).email == longest
    with pytest.raises(InvalidInput, match="254"):
        accounts.create_account(CreateAccountInput(email=f"ü{longest}"))


def test_sql_in_an_address_is_only_text(
    accounts: AccountRepo, account: Account, new_email: Callable[[], str]
) -> None:
    email = f"');DROP/**/TABLE/**/accounts;--{new_email()}"
    assert accounts.create_account(CreateAccountInput(email=email)).email == email
    assert accounts.get_account(account.id) == as_read(account)


@pytest.mark.parametrize("field", ["token_remaining", "topup_remaining"])
@pytest.mark.parametrize("amount", [*BAD_AMOUNTS, *NO_AMOUNTS])
def test_bad_opening_tokens_are_refused(
    accounts: AccountRepo, new_email: Callable[[], str], field: str, amount: Any
) -> None:
    email = new_email()
    with pytest.raises(InvalidInput):
        accounts.create_account(CreateAccountInput(email=email, **{field: amount}))
    assert accounts.get_account_by_email(email) is None


@pytest.mark.parametrize("wrong", WRONG_TYPES)
def test_arguments_of_a_wrong_type_are_refused(
    accounts: AccountRepo, account: Account, wrong: Any
) -> None:
    with pytest.raises(InvalidInput):
        accounts.create_account(wrong)
    with pytest.raises(InvalidInput):
        accounts.create_account(CreateAccountInput(email=wrong))
    with pytest.raises(InvalidInput):
        accounts.get_account(wrong)
    with pytest.raises(InvalidInput):
        accounts.get_account_by_email(wrong)
    with pytest.raises(InvalidInput):
        accounts.authenticate(wrong)
    with pytest.raises(InvalidInput):
        accounts.rotate_api_key(wrong)
    with pytest.raises(InvalidInput):
        accounts.update_account(wrong, UpdateAccountInput(status=0))
    with pytest.raises(InvalidInput):
        accounts.update_account(account.id, wrong)
    with pytest.raises(InvalidInput):
        accounts.update_account(account.id, UpdateAccountInput(email=wrong))
    with pytest.raises(InvalidInput):
        accounts.list_accounts(after=wrong)
    with pytest.raises(InvalidInput):
        accounts.delete_account(wrong)
    assert accounts.get_account(account.id) == as_read(account)


def test_text_that_is_no_unicode_is_refused(accounts: AccountRepo) -> None:
    with pytest.raises(InvalidInput):
        accounts.get_account("\ud800")
    with pytest.raises(InvalidInput):
        accounts.get_account_by_email("user\ud800@example.com")
    with pytest.raises(InvalidInput):
        accounts.authenticate("rs_\ud800")


@pytest.mark.parametrize("account_id", BAD_IDS)
def test_a_malformed_id_is_nobodys_and_refused_elsewhere(
    accounts: AccountRepo, account_id: str
) -> None:
    assert accounts.get_account(account_id) is None
    with pytest.raises(InvalidInput):
        accounts.rotate_api_key(account_id)
    with pytest.raises(InvalidInput):
        accounts.update_account(account_id, UpdateAccountInput(status=0))
    with pytest.raises(InvalidInput):
        accounts.list_accounts(after=account_id)
    with pytest.raises(InvalidInput):
        accounts.delete_account(account_id)


@given(text=st.text())
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_text_that_is_no_id_and_no_address_is_nobodys(accounts: AccountRepo, text: str) -> None:
    for nobody in (text, f"{text}@{text}", f"{NOBODY}{text}"):
        assert accounts.get_account(nobody) is None
        assert accounts.get_account_by_email(nobody) is None


def test_an_unknown_account_is_not_found(
    accounts: AccountRepo, new_email: Callable[[], str]
) -> None:
    assert accounts.get_account(NOBODY) is None
    assert accounts.get_account_by_email(new_email()) is None
    with pytest.raises(AccountNotFound, match=NOBODY):
        accounts.rotate_api_key(NOBODY)
    with pytest.raises(AccountNotFound, match=NOBODY):
        accounts.update_account(NOBODY, UpdateAccountInput(status=0))
    with pytest.raises(AccountNotFound, match=NOBODY):
        accounts.delete_account(NOBODY)


def test_an_update_changes_what_it_names_and_nothing_else(
    accounts: AccountRepo, account: Account, new_email: Callable[[], str]
) -> None:
    email = new_email()
    by_email = accounts.update_account(account.id, UpdateAccountInput(email=f" {email} "))
    assert by_email == replace(as_read(account), email=email, updated_at=by_email.updated_at)
    by_plan = accounts.update_account(account.id, UpdateAccountInput(plan_name="Gold"))
    assert by_plan == replace(by_email, plan_name="Gold", updated_at=by_plan.updated_at)
    by_status = accounts.update_account(account.id, UpdateAccountInput(status=0))
    assert by_status == replace(by_plan, status=0, updated_at=by_status.updated_at)
    at_once = accounts.update_account(
        account.id, UpdateAccountInput(email=account.email, plan_name="Free", status=1)
    )
    assert at_once == replace(as_read(account), updated_at=at_once.updated_at)
    assert accounts.get_account(account.id) == at_once
    assert account.updated_at <= by_email.updated_at <= at_once.updated_at


def test_an_update_that_changes_nothing_is_refused(accounts: AccountRepo, account: Account) -> None:
    with pytest.raises(InvalidInput, match="nothing to change"):
        accounts.update_account(account.id, UpdateAccountInput())


def test_an_address_somebody_else_has_is_refused(
    accounts: AccountRepo, account: Account, stranger: Account
) -> None:
    with pytest.raises(EmailTaken):
        accounts.update_account(
            account.id, UpdateAccountInput(email=stranger.email.upper(), plan_name="Pro", status=0)
        )
    assert accounts.get_account(account.id) == as_read(account)


def test_ones_own_address_may_be_spelled_anew(accounts: AccountRepo, account: Account) -> None:
    spelled = account.email.upper()
    updated = accounts.update_account(account.id, UpdateAccountInput(email=spelled))
    assert updated.email == spelled
    assert accounts.get_account_by_email(account.email) == updated


def test_an_address_that_was_given_up_is_free_again(
    accounts: AccountRepo, account: Account, new_email: Callable[[], str]
) -> None:
    accounts.update_account(account.id, UpdateAccountInput(email=new_email()))
    successor = accounts.create_account(CreateAccountInput(email=account.email))
    assert accounts.get_account_by_email(account.email) == as_read(successor)


@pytest.mark.parametrize("status", [-1, 2, 2**63, 2**64, True, False, 1.0, "1"])
def test_a_status_is_0_or_1(accounts: AccountRepo, account: Account, status: Any) -> None:
    with pytest.raises(InvalidInput):
        accounts.update_account(account.id, UpdateAccountInput(status=status))
    assert accounts.get_account(account.id) == as_read(account)


def test_accounts_are_listed_oldest_first_page_by_page(
    accounts: AccountRepo, account: Account, new_email: Callable[[], str]
) -> None:
    # `account` is the newest so far: what comes after it is this test's own.
    created = [
        as_read(accounts.create_account(CreateAccountInput(email=new_email()))) for _ in range(5)
    ]
    assert accounts.list_accounts(after=account.id) == created
    first = accounts.list_accounts(account.id, 2)
    second = accounts.list_accounts(first[-1].id, 2)
    third = accounts.list_accounts(second[-1].id, limit=2)
    assert first + second + third == created
    assert accounts.list_accounts(after=created[-1].id, limit=2) == []


def test_the_first_page_starts_with_the_oldest_account(
    accounts: AccountRepo, account: Account, stranger: Account
) -> None:
    page = accounts.list_accounts(limit=2)
    assert len(page) == 2
    assert page == sorted(page, key=lambda a: a.id)
    assert page[0].id <= account.id < stranger.id


def test_paging_goes_on_after_an_account_that_was_deleted(
    accounts: AccountRepo, account: Account, stranger: Account
) -> None:
    accounts.delete_account(account.id)
    assert accounts.list_accounts(after=account.id) == [as_read(stranger)]


@pytest.mark.parametrize("limit", [0, -1, 501, 2**63, 2**64, True, 1.0, "1", None])
def test_a_page_has_1_to_500_accounts(accounts: AccountRepo, limit: Any) -> None:
    with pytest.raises(InvalidInput):
        accounts.list_accounts(limit=limit)


def test_a_deleted_account_is_gone_with_its_ledger_and_its_key(
    accounts: AccountRepo, tokens: TokenRepo, account: Account, stranger: Account
) -> None:
    tokens.top_up(account.id, 5)
    accounts.delete_account(account.id)
    assert accounts.get_account(account.id) is None
    assert accounts.get_account_by_email(account.email) is None
    with pytest.raises(InvalidApiKey):
        accounts.authenticate(account.api_key)
    with pytest.raises(AccountNotFound):
        tokens.list_entries(account.id)
    with pytest.raises(AccountNotFound):
        accounts.delete_account(account.id)
    assert accounts.get_account(stranger.id) == as_read(stranger)
    assert accounts.create_account(CreateAccountInput(email=account.email)).id != account.id
