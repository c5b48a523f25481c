import asyncio
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from pack_db_client import Account, AsyncPackDb, CreateAccountInput, PackDb
from pack_db_client.protocol.requests import Request
from tests.exactly_once.child import ForkedChild, forks
from tests.exactly_once.fake_daemon import answer_pong, fake_daemon
from tests.exactly_once.ledger import consumed
from tests.support.daemon_process import DaemonProcess
from tests.support.services import existing

_client: PackDb
_account_id: str


def test_sixteen_threads_get_each_their_own_replies(daemon: DaemonProcess, db: PackDb) -> None:
    accounts = [
        db.accounts.create_account(CreateAccountInput(email=f"{n}@example.com")) for n in range(16)
    ]

    def use(account: Account) -> None:
        for amount in range(1, 11):
            left = db.tokens.consume_tokens(account.id, amount)
            assert left.account_id == account.id
            assert left.total == account.token_remaining - sum(range(amount + 1))
            assert existing(db.accounts.get_account(account.id)).email == account.email

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, accounts))

    for account in accounts:
        assert consumed(db, account.id) == list(range(1, 11))


def test_threads_do_not_wait_for_one_another(short_path: Path) -> None:
    def keep_the_first(request: Request) -> bytes | None:
        if len(daemon.messages) == 1:
            return None
        return answer_pong(request)

    with (
        fake_daemon(short_path / "s", keep_the_first) as daemon,
        PackDb(short_path / "s", timeout_s=20) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        first = thread.submit(client.ping)
        daemon.wait_for_message()

        assert client.ping() == "pong"
        client.close()
        assert not first.done()
        daemon.answer_kept()
        assert first.result() == "pong"


@forks
def test_parent_and_child_go_on_with_one_client(
    daemon: DaemonProcess, db: PackDb, account: Account
) -> None:
    db.tokens.consume_tokens(account.id, 1)

    def in_child() -> int:
        return [db.tokens.consume_tokens(account.id, 2) for _ in range(10)][-1].total

    child = ForkedChild(in_child)
    for _ in range(10):
        db.tokens.consume_tokens(account.id, 3)
    child.result()

    assert sorted(consumed(db, account.id)) == [1] + [2] * 10 + [3] * 10


@forks
def test_a_child_has_an_identity_of_its_own(short_path: Path) -> None:
    with fake_daemon(short_path / "s") as daemon, PackDb(short_path / "s") as client:
        client.ping()
        ForkedChild(client.ping).result()
        client.ping()

        parent, child, parent_again = daemon.requests
        assert parent.client_id == parent_again.client_id != child.client_id
        assert (parent.sequence, child.sequence, parent_again.sequence) == (1, 1, 2)


@forks
def test_a_fork_does_not_disturb_the_call_in_flight(short_path: Path) -> None:
    def keep_the_first(request: Request) -> bytes | None:
        return None if len(daemon.messages) == 1 else answer_pong(request)

    with (
        fake_daemon(short_path / "s", keep_the_first) as daemon,
        PackDb(short_path / "s", timeout_s=20) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        call = thread.submit(client.ping)
        daemon.wait_for_message()

        assert ForkedChild(client.ping).result() == "pong"
        daemon.answer_kept()
        assert call.result() == "pong"
        first, second = daemon.requests
        assert first.client_id != second.client_id


@forks
def test_closing_in_the_child_leaves_the_parent_connected(daemon: DaemonProcess) -> None:
    with daemon.client() as db:
        version = db.ping()

        def use_and_close() -> str:
            with db:
                return db.ping()

        assert ForkedChild(use_and_close).result() == version
        assert ForkedChild(db.close).result() is None
        assert db.ping() == version


@forks
def test_a_child_may_run_an_event_loop_with_its_parents_client(daemon: DaemonProcess) -> None:
    client = AsyncPackDb(daemon.socket_path, timeout_s=20)

    async def work() -> tuple[str, str]:
        before = await client.ping()
        in_child = await asyncio.to_thread(lambda: ForkedChild(ping_in_new_loop).result())
        after = await client.ping()
        await client.close()
        assert before == after
        return before, in_child

    def ping_in_new_loop() -> str:
        return asyncio.run(client.ping())

    version, in_child = asyncio.run(work())
    assert version == in_child


@forks
def test_a_pre_fork_server(daemon: DaemonProcess, db: PackDb, account: Account) -> None:
    def serve(worker: int) -> None:
        for _ in range(20):
            assert db.accounts.authenticate(account.api_key).id == account.id
            db.tokens.consume_tokens(account.id, worker)

    workers = [ForkedChild(partial(serve, n)) for n in range(1, 5)]
    for worker in workers:
        worker.result()

    assert sorted(consumed(db, account.id)) == sorted([1, 2, 3, 4] * 20)


def consume_with_inherited_client(amount: int) -> int:
    return _client.tokens.consume_tokens(_account_id, amount).total


@forks
def test_a_pool_of_forked_processes(db: PackDb, account: Account) -> None:
    global _client, _account_id
    _client, _account_id = db, account.id
    amounts = range(1, 31)

    with multiprocessing.get_context("fork").Pool(3) as pool:
        totals = pool.map(consume_with_inherited_client, amounts, chunksize=1)

    assert len(set(totals)) == len(amounts)
    assert sorted(consumed(db, account.id)) == list(amounts)


def consume_with_own_client(socket_path: Path, account_id: str, amount: int) -> int:
    with PackDb(socket_path) as client:
        return client.tokens.consume_tokens(account_id, amount).total


def test_a_pool_of_spawned_processes(daemon: DaemonProcess, db: PackDb, account: Account) -> None:
    amounts = range(1, 7)

    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(
            consume_with_own_client,
            [(daemon.socket_path, account.id, amount) for amount in amounts],
        )

    assert sorted(consumed(db, account.id)) == list(amounts)
