import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress

import apsw
import pytest

from pack_db.config import Config
from pack_db.errors import EmailTaken, InvalidInput, StorageError, StorageFull, StorageMoved
from pack_db.impls.compiled_query import parameter
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.database.models import ReplyJournalModel as J
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.entities.account import Account, CreateAccountInput, UpdateAccountInput
from pack_db.interfaces.token_repo import TokenRepo
from tests.support.postgres_server import PostgresServer
from tests.support.services import existing


@contextmanager
def left_by_an_error(block: AbstractContextManager[None]) -> Iterator[None]:
    """The block, left by an exception at its end."""
    with suppress(KeyError), block:
        yield
        raise KeyError


@pytest.fixture(params=["sqlite", "postgresql"])
def any_factory(request: pytest.FixtureRequest) -> Iterator[ServiceFactory]:
    if request.param == "sqlite":
        yield request.getfixturevalue("factory")
        return
    server: PostgresServer = request.getfixturevalue("shared_postgres")
    with closing(ServiceFactory(Config({"DB_URL": server.new_database()}))) as factory:
        factory.get_database_connection().run_migrations()
        yield factory


def create(accounts: AccountRepo, email: str) -> Account:
    return accounts.create_account(CreateAccountInput(email=email))


def emails(accounts: AccountRepo) -> list[str]:
    return [account.email for account in accounts.list_accounts()]


def test_a_transaction_that_raises_has_written_nothing(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    with left_by_an_error(database.transaction()):
        create(accounts, "a@example.com")
        create(accounts, "b@example.com")
    assert emails(accounts) == []


def test_a_transaction_inside_another_joins_it(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    with left_by_an_error(database.transaction()), database.transaction():
        create(accounts, "a@example.com")
    assert emails(accounts) == []


def test_a_savepoint_undoes_itself_alone(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    with database.transaction():
        create(accounts, "a@example.com")
        with left_by_an_error(database.savepoint()):
            create(accounts, "b@example.com")
        with database.savepoint():
            create(accounts, "c@example.com")
    assert emails(accounts) == ["a@example.com", "c@example.com"]


def test_a_savepoint_in_a_savepoint_undoes_itself_alone(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    with database.transaction(), database.savepoint():
        create(accounts, "a@example.com")
        with left_by_an_error(database.savepoint()):
            create(accounts, "b@example.com")
        create(accounts, "c@example.com")
    assert emails(accounts) == ["a@example.com", "c@example.com"]


def test_the_transaction_around_a_savepoint_undoes_both(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    with left_by_an_error(database.transaction()), database.savepoint():
        create(accounts, "a@example.com")
    assert emails(accounts) == []


def test_after_a_transaction_that_raised_the_next_one_works(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    with left_by_an_error(database.transaction()):
        pass
    with database.transaction():
        create(accounts, "a@example.com")
    assert emails(accounts) == ["a@example.com"]


def test_a_call_that_fails_in_a_transaction_that_goes_on_has_changed_nothing(
    database: DatabaseConnection, accounts: AccountRepo, tokens: TokenRepo
) -> None:
    account = create(accounts, "a@example.com")
    accounts.update_account(account.id, UpdateAccountInput(plan_name="Gold"))
    with database.transaction():
        with pytest.raises(EmailTaken):
            create(accounts, "a@example.com")
        with pytest.raises(InvalidInput):
            tokens.renew_plan(account.id)  # no allowance is known of this plan
        tokens.top_up(account.id, 5)
    assert emails(accounts) == ["a@example.com"]
    assert [entry.number for entry in tokens.list_entries(account.id)] == [1, 2]


def test_queries_in_a_snapshot_see_the_database_as_the_first_one_did(
    config: Config, database: DatabaseConnection, accounts: AccountRepo
) -> None:
    create(accounts, "a@example.com")
    with closing(apsw.Connection(str(config.database_path))) as outsider:
        with database.snapshot():
            assert emails(accounts) == ["a@example.com"]
            outsider.execute("UPDATE accounts SET email = 'b@example.com'")
            assert emails(accounts) == ["a@example.com"]
        assert emails(accounts) == ["b@example.com"]
        [(is_held, _, _)] = outsider.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert not is_held


def test_a_transaction_in_a_snapshot_is_one_of_its_own(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    """As when a method that is marked as a query writes all the same."""
    with database.snapshot():
        assert emails(accounts) == []
        with left_by_an_error(database.transaction()):
            create(accounts, "a@example.com")
        assert emails(accounts) == []
        create(accounts, "b@example.com")
        with left_by_an_error(database.transaction()):
            create(accounts, "c@example.com")
    assert emails(accounts) == ["b@example.com"]


@pytest.mark.parametrize("outer", ["transaction", "savepoint", "snapshot"])
@pytest.mark.parametrize("inner", ["transaction", "savepoint", "snapshot"])
@pytest.mark.parametrize("innermost", ["transaction", "savepoint", "snapshot"])
def test_blocks_may_be_inside_each_other_in_any_order(
    any_factory: ServiceFactory, outer: str, inner: str, innermost: str
) -> None:
    database, accounts = any_factory.get_database_connection(), any_factory.get_account_repo()
    with getattr(database, outer)():
        assert emails(accounts) == []
        with getattr(database, inner)():
            with getattr(database, innermost)():
                assert emails(accounts) == []
                create(accounts, "a@example.com")
            create(accounts, "b@example.com")
        assert len(emails(accounts)) == 2
        create(accounts, "c@example.com")
    assert emails(accounts) == ["a@example.com", "b@example.com", "c@example.com"]


@pytest.mark.parametrize("inner", ["transaction", "savepoint", "snapshot"])
@pytest.mark.parametrize("outer", ["transaction", "savepoint"])
def test_an_error_undoes_what_is_inside_the_block_that_it_leaves(
    any_factory: ServiceFactory, outer: str, inner: str
) -> None:
    """A savepoint inside undoes itself alone; anything else is a part of what is around it."""
    database, accounts = any_factory.get_database_connection(), any_factory.get_account_repo()
    with getattr(database, outer)():
        create(accounts, "a@example.com")
        with left_by_an_error(getattr(database, inner)()):
            create(accounts, "b@example.com")
    kept = ["a@example.com"] if inner == "savepoint" else ["a@example.com", "b@example.com"]
    assert emails(accounts) == kept
    with left_by_an_error(getattr(database, outer)()), getattr(database, inner)():
        create(accounts, "c@example.com")
    assert emails(accounts) == kept


def test_row_86_a_write_outside_of_a_transaction_is_looked_at_as_any_other(
    config: Config, database: DatabaseConnection
) -> None:
    insert = database.compile(J.insert({c: parameter(c.name) for c in J._meta.sorted_fields}))
    row = {"client": b"", "user_id": 0, "sequence": 1, "digest": b"", "reply": b""}
    row |= {"boot_id": "", "expires_ns": 0}
    moved = config.database_path.rename(config.database_path.with_name("moved"))
    with pytest.raises(StorageMoved):
        insert(**row)
    with pytest.raises(StorageMoved):
        database.execute("UPDATE reply_journal SET reply = x'00'")
    with pytest.raises(StorageMoved), database.savepoint():
        insert(**row)
    moved.rename(config.database_path)
    insert(**row)
    assert database.execute("SELECT count(*) FROM reply_journal") == [(1,)]


def test_row_86_what_sqlite_undid_by_itself_is_not_written_in_part(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    """As after a full disk, if somebody catches the error within the transaction."""
    raw: apsw.Connection = database._database.connection()  # type: ignore[no-untyped-call]

    def full(cursor: apsw.Cursor, sql: str, values: object) -> bool:
        raw.exec_trace = None
        raw.execute("ROLLBACK")
        raise apsw.FullError("a fault")

    def write_on() -> None:
        with database.transaction():
            create(accounts, "a@example.com")
            raw.exec_trace = full
            with pytest.raises(StorageFull), database.savepoint():
                create(accounts, "b@example.com")
            create(accounts, "c@example.com")

    with pytest.raises(StorageError, match="nothing was written"):
        write_on()
    assert emails(accounts) == []
    create(accounts, "d@example.com")
    assert emails(accounts) == ["d@example.com"]


def test_after_a_snapshot_that_raised_the_next_transaction_works(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    with left_by_an_error(database.snapshot()):
        assert emails(accounts) == []
    create(accounts, "a@example.com")
    assert emails(accounts) == ["a@example.com"]


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in that many threads at once; raises what any of them raised."""
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_may_share_the_repositories(accounts: AccountRepo, tokens: TokenRepo) -> None:
    account = create(accounts, "a@example.com")

    def work(number: int) -> None:
        for _ in range(25):
            tokens.consume_tokens(account.id, 1)
            assert existing(accounts.get_account(account.id)).email == "a@example.com"

    in_threads(8, work)
    assert tokens.get_balance(account.id).total == 1000 - 8 * 25
    entries = tokens.list_entries(account.id, limit=500)
    assert [entry.number for entry in entries] == list(range(1, 8 * 25 + 2))


def test_of_threads_that_want_one_address_one_gets_it(accounts: AccountRepo) -> None:
    refused: list[int] = []

    def work(number: int) -> None:
        try:
            create(accounts, "a@example.com")
        except EmailTaken:
            refused.append(number)

    in_threads(8, work)
    assert len(refused) == 7
    assert emails(accounts) == ["a@example.com"]


def test_a_thread_sees_nothing_of_another_threads_transaction(
    database: DatabaseConnection, accounts: AccountRepo
) -> None:
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(emails(accounts)))
    with left_by_an_error(database.transaction()):
        create(accounts, "a@example.com")
        reader.start()
        create(accounts, "b@example.com")
    reader.join()
    assert seen == []
