import time

import peewee

from pack_db.errors import (
    AccountInactive,
    AccountNotFound,
    EmailTaken,
    InvalidApiKey,
    InvalidInput,
)
from pack_db.impls.compiled_query import Row, parameter
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.database.models import AccountModel as A
from pack_db.impls.database.storage_errors import ConstraintViolated
from pack_db.impls.repos import api_key as keys
from pack_db.impls.repos import plans, validation
from pack_db.impls.repos.peewee_ledger import PeeweeLedger
from pack_db.impls.repos.time_ordered_ids import TimeOrderedIds
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import (
    Account,
    AccountStatus,
    CreateAccountInput,
    UpdateAccountInput,
)


class PeeweeAccountRepo(AccountRepo):
    def __init__(self, database: DatabaseConnection, ledger: PeeweeLedger) -> None:
        self._database = database
        self._ledger = ledger
        self._ids = TimeOrderedIds()
        columns = (
            A.id,
            A.email,
            A.api_key_tail,
            A.plan_name,
            A.token_remaining,
            A.topup_remaining,
            A.status,
            A.created_at,
            A.updated_at,
        )
        by_id = A.id == parameter("id")
        select = A.select(*columns)
        self._select = database.compile(select.where(by_id))
        self._select_by_email = database.compile(
            select.where(A.email_key == parameter("email_key"))
        )
        self._select_by_key = database.compile(
            select.where(A.api_key_hash == parameter("api_key_hash"))
        )
        self._select_page = database.compile(
            select.where(A.id > parameter("after")).order_by(A.id).limit(parameter("limit"))
        )
        stored = (*columns, A.email_key, A.api_key_hash, A.entry_count)
        self._insert = database.compile(
            A.insert({c: parameter(c.name) for c in stored})
            .on_conflict(action="nothing", conflict_target=[A.email_key])
            .returning(A.id)
        )
        self._update = database.compile(
            A.update(
                {
                    c: peewee.fn.COALESCE(parameter(c.name), c)
                    for c in (A.email, A.email_key, A.plan_name, A.status)
                }
                | {A.updated_at: parameter("updated_at")}
            )
            .where(by_id)
            .returning(*columns)
        )
        self._update_key = database.compile(
            A.update({c: parameter(c.name) for c in (A.api_key_hash, A.api_key_tail, A.updated_at)})
            .where(by_id)
            .returning(*columns)
        )
        self._delete = database.compile(A.delete().where(by_id).returning(A.id))

    def create_account(self, account: CreateAccountInput) -> Account:
        validation.entity(account, CreateAccountInput, "account")
        email = validation.email(account.email)
        plan_name = validation.plan_name(account.plan_name)
        if account.token_remaining is None:
            token_remaining = plans.allowance(plan_name)
        else:
            token_remaining = validation.tokens(account.token_remaining, "token_remaining")
        topup_remaining = validation.tokens(account.topup_remaining, "topup_remaining")
        api_key = keys.generate()
        now = int(time.time())
        created = Account(
            id=self._ids.next(),
            email=email,
            api_key=api_key,
            plan_name=plan_name,
            token_remaining=token_remaining,
            topup_remaining=topup_remaining,
            status=int(AccountStatus.ACTIVE),
            created_at=now,
            updated_at=now,
        )
        with self._database.transaction():
            inserted = self._insert(
                id=created.id,
                email=email,
                email_key=validation.email_key(email),
                api_key_hash=keys.digest(api_key),
                api_key_tail=keys.tail(api_key),
                plan_name=plan_name,
                token_remaining=token_remaining,
                topup_remaining=topup_remaining,
                entry_count=1,
                status=created.status,
                created_at=now,
                updated_at=now,
            )
            if not inserted:
                raise _email_taken(email)
            self._ledger.append(
                created.id,
                (token_remaining, topup_remaining, 1),
                "opening",
                token_remaining + topup_remaining,
                now,
            )
        return created

    def get_account(self, account_id: str) -> Account | None:
        if not validation.is_account_id(account_id):
            validation.text(account_id, "account_id")
            return None
        rows = self._select(id=account_id)
        return _account(rows[0]) if rows else None

    def get_account_by_email(self, email: str) -> Account | None:
        validation.text(email, "email")
        try:
            address = validation.email(email)
        except InvalidInput:
            return None
        rows = self._select_by_email(email_key=validation.email_key(address))
        return _account(rows[0]) if rows else None

    def authenticate(self, api_key: str) -> Account:
        validation.text(api_key, "api_key")
        rows = (
            self._select_by_key(api_key_hash=keys.digest(api_key))
            if keys.is_well_formed(api_key)
            else []
        )
        if not rows:
            raise InvalidApiKey("no account has this API key; it may have been replaced")
        account = _account(rows[0])
        if account.status != AccountStatus.ACTIVE:
            raise AccountInactive(f"account {account.id} is not active")
        return account

    def rotate_api_key(self, account_id: str) -> Account:
        api_key = keys.generate()
        with self._database.transaction():
            rows = self._update_key(
                id=validation.account_id(account_id),
                api_key_hash=keys.digest(api_key),
                api_key_tail=keys.tail(api_key),
                updated_at=int(time.time()),
            )
            return _one(rows, account_id, api_key)

    def update_account(self, account_id: str, changes: UpdateAccountInput) -> Account:
        validation.entity(changes, UpdateAccountInput, "changes")
        email = None if changes.email is None else validation.email(changes.email)
        plan_name = None if changes.plan_name is None else validation.plan_name(changes.plan_name)
        status = None if changes.status is None else validation.status(changes.status)
        if email is None and plan_name is None and status is None:
            raise InvalidInput("nothing to change: give email, plan_name or status")
        with self._database.transaction():
            try:
                with self._database.savepoint():
                    rows = self._update(
                        id=validation.account_id(account_id),
                        email=email,
                        email_key=None if email is None else validation.email_key(email),
                        plan_name=plan_name,
                        status=status,
                        updated_at=int(time.time()),
                    )
            except ConstraintViolated as exc:
                # The address is the only thing here that can clash with another row.
                raise _email_taken(email) from exc
            return _one(rows, account_id)

    def list_accounts(self, after: str | None = None, limit: int = 100) -> list[Account]:
        rows = self._select_page(
            after="" if after is None else validation.account_id(after, "after"),
            limit=validation.page_limit(limit),
        )
        return [_account(row) for row in rows]

    def delete_account(self, account_id: str) -> None:
        with self._database.transaction():
            if not self._delete(id=validation.account_id(account_id)):
                raise account_not_found(account_id)
            self._ledger.remove(account_id)


def account_not_found(account_id: str) -> AccountNotFound:
    return AccountNotFound(f"no account has the id {account_id}")


def _email_taken(email: str | None) -> EmailTaken:
    return EmailTaken(f"another account has the e-mail address {email}")


def _one(rows: list[Row], account_id: str, api_key: str | None = None) -> Account:
    if not rows:
        raise account_not_found(account_id)
    return _account(rows[0], api_key)


def _account(row: Row, api_key: str | None = None) -> Account:
    return Account(
        id=row[0],
        email=row[1],
        api_key=api_key or keys.masked(row[2]),
        plan_name=row[3],
        token_remaining=row[4],
        topup_remaining=row[5],
        status=row[6],
        created_at=row[7],
        updated_at=row[8],
    )
