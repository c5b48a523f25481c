import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from pack_db.errors import PackDbError
from pack_db.interfaces.entities.account import Account, CreateAccountInput, UpdateAccountInput
from pack_db.interfaces.entities.token import LedgerEntry
from tests.contract.model import MAX_TOKENS, Model
from tests.contract.test_accounts import NOBODY
from tests.support.services import Services

_examples = itertools.count(1)

AMOUNTS = st.sampled_from([-1, 0, 1, 2, 999, 1_000, 1_001, 60_000, MAX_TOKENS, MAX_TOKENS + 1])
SMALL_AMOUNTS = st.integers(0, 1_500)
PLANS = st.sampled_from(["Free", "Pro", "Enterprise", "Gold"])
NAMES = st.sampled_from(["ann", "ANN", " Ann\t", "bob", "Straße", "STRASSE", "no domain"])
LIMITS = st.sampled_from([0, 1, 2, 500, 501])

Outcome = tuple[str, Any]


def outcome(call: Callable[[], Any]) -> Outcome:
    """What a call returned, or the class of what it raised."""
    try:
        return "returned", call()
    except PackDbError as error:
        return "raised", type(error)


def without_times(value: Any) -> Any:
    """Equal for what differs only in when it happened."""
    match value:
        case Account():
            return replace(value, created_at=0, updated_at=0)
        case LedgerEntry():
            return replace(value, created_at=0)
        case list() | tuple():
            return [without_times(item) for item in value]
    return value


class ServicesAgainstModel(RuleBasedStateMachine):
    services: ClassVar[Services]

    ids: Bundle[str] = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.accounts = self.services.accounts
        self.tokens = self.services.tokens
        self.model = Model()
        self.example = next(_examples)
        self.api_keys = ["rs_" + "0" * 32, "no key"]  # all there ever were

    def email(self, name: str) -> str:
        """An address that only this example uses."""
        if name == "no domain":
            return name
        domain = f"example{self.example}.com"
        return f"{name.rstrip()}@{domain}{name[len(name.rstrip()) :]}"

    def agree(self, expected: Callable[[], Any], actual: Callable[[], Any]) -> None:
        assert without_times(outcome(actual)) == without_times(outcome(expected))

    @initialize(target=ids)
    def open_the_first_account(self) -> str:
        # What is listed after it belongs to this example.
        created = self.accounts.create_account(
            CreateAccountInput(email=f"first@example{self.example}.com")
        )
        self.first_id = created.id
        self.add(created)
        return created.id

    @initialize(target=ids)
    def name_somebody_unknown(self) -> Any:
        return multiple(NOBODY, "no id")

    def add(self, created: Account) -> None:
        self.model.add(created)
        self.api_keys.append(created.api_key)

    @rule(
        target=ids,
        name=NAMES,
        plan_name=PLANS,
        token_remaining=st.none() | SMALL_AMOUNTS | AMOUNTS,
        topup_remaining=SMALL_AMOUNTS | AMOUNTS,
    )
    def create_account(
        self, name: str, plan_name: str, token_remaining: int | None, topup_remaining: int
    ) -> Any:
        account = CreateAccountInput(
            email=self.email(name),
            plan_name=plan_name,
            token_remaining=token_remaining,
            topup_remaining=topup_remaining,
        )
        expected = outcome(lambda: self.model.check_create(account))
        kind, created = outcome(lambda: self.accounts.create_account(account))
        if kind == "raised":
            assert (kind, created) == expected
            return multiple()
        assert expected == ("returned", (created.token_remaining, created.topup_remaining))
        assert created.email == account.email.strip()
        assert (created.plan_name, created.status) == (plan_name, 1)
        self.add(created)
        return created.id

    @rule(account_id=ids)
    def get_account(self, account_id: str) -> None:
        self.agree(
            lambda: self.model.get_account(account_id),
            lambda: self.accounts.get_account(account_id),
        )

    @rule(name=NAMES)
    def get_account_by_email(self, name: str) -> None:
        email = self.email(name)
        self.agree(
            lambda: self.model.get_account_by_email(email),
            lambda: self.accounts.get_account_by_email(email),
        )

    @rule(number=st.integers(0, 99))
    def authenticate(self, number: int) -> None:
        api_key = self.api_keys[number % len(self.api_keys)]
        self.agree(
            lambda: self.model.authenticate(api_key),
            lambda: self.accounts.authenticate(api_key),
        )

    @rule(account_id=ids)
    def rotate_api_key(self, account_id: str) -> None:
        if account_id not in self.model.by_id:
            self.agree(
                lambda: self.model.rotate_api_key(account_id, ""),
                lambda: self.accounts.rotate_api_key(account_id),
            )
            return
        rotated = self.accounts.rotate_api_key(account_id)
        self.model.rotate_api_key(account_id, rotated.api_key)
        self.api_keys.append(rotated.api_key)

    @rule(
        account_id=ids,
        name=st.none() | NAMES,
        plan_name=st.none() | PLANS,
        status=st.sampled_from([None, 0, 1, 1, 2]),
    )
    def update_account(
        self, account_id: str, name: str | None, plan_name: str | None, status: int | None
    ) -> None:
        changes = UpdateAccountInput(
            email=None if name is None else self.email(name), plan_name=plan_name, status=status
        )
        self.agree(
            lambda: self.model.update_account(account_id, changes),
            lambda: self.accounts.update_account(account_id, changes),
        )

    @rule(limit=LIMITS)
    def list_accounts(self, limit: int) -> None:
        self.agree(
            lambda: self.model.list_accounts(self.first_id, limit),
            lambda: self.accounts.list_accounts(self.first_id, limit),
        )

    @rule(account_id=ids)
    def delete_account(self, account_id: str) -> None:
        self.agree(
            lambda: self.model.delete_account(account_id),
            lambda: self.accounts.delete_account(account_id),
        )

    @rule(account_id=ids, amount=SMALL_AMOUNTS | AMOUNTS, allow_overdraft=st.booleans())
    def consume_tokens(self, account_id: str, amount: int, allow_overdraft: bool) -> None:
        self.agree(
            lambda: self.model.consume_tokens(account_id, amount, allow_overdraft=allow_overdraft),
            lambda: self.tokens.consume_tokens(account_id, amount, allow_overdraft=allow_overdraft),
        )

    @rule(account_id=ids, amount=SMALL_AMOUNTS | AMOUNTS)
    def top_up(self, account_id: str, amount: int) -> None:
        self.agree(
            lambda: self.model.top_up(account_id, amount),
            lambda: self.tokens.top_up(account_id, amount),
        )

    @rule(account_id=ids, token_remaining=st.none() | SMALL_AMOUNTS | AMOUNTS)
    def renew_plan(self, account_id: str, token_remaining: int | None) -> None:
        self.agree(
            lambda: self.model.renew_plan(account_id, token_remaining),
            lambda: self.tokens.renew_plan(account_id, token_remaining),
        )

    @rule(account_id=ids, after=st.sampled_from([-1, 0, 1, 3]), limit=LIMITS)
    def list_entries(self, account_id: str, after: int, limit: int) -> None:
        self.agree(
            lambda: self.model.list_entries(account_id, after, limit),
            lambda: self.tokens.list_entries(account_id, after, limit),
        )

    @invariant()
    def every_ledger_sums_to_its_balance(self) -> None:
        for account_id in self.model.by_id:
            balance = self.tokens.get_balance(account_id)
            assert balance == self.model.get_balance(account_id)
            entries = self.tokens.list_entries(account_id, limit=500)
            assert sum(entry.amount for entry in entries) == balance.total
            assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))


@pytest.mark.parametrize(
    "implementation",
    ["in_process", "client", "sweeping", "in_process_on_postgres", "client_on_postgres"],
)
def test_the_services_do_what_the_model_does(
    implementation: str, request: pytest.FixtureRequest
) -> None:
    class Machine(ServicesAgainstModel):
        services = request.getfixturevalue(f"{implementation}_services")

    run_state_machine_as_test(
        Machine,
        settings=settings(derandomize=True, deadline=None, max_examples=40, stateful_step_count=40),
    )
