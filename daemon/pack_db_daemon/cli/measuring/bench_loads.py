"""What 'pack-db bench' measures, each to be run in a process of its own.

A load calls one method again and again, and returns how long each call took, in nanoseconds.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import zmq

from pack_db.config import Config
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db.interfaces.token_repo import TokenRepo
from pack_db_client import AsyncPackDb, PackDb

WRITE, QUERY = "tokens.consume_tokens", "tokens.get_balance"

_REQUEST = bytes(100)  # about as long as a call of these methods
_WARM_UP_CALLS = 50
_TOPUP = 2**50  # enough tokens for any number of calls
_CALL_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a load finds what it calls."""

    database_path: Path
    socket_path: Path
    echo_path: Path


def be_busy() -> None:
    time.sleep(0.5)


def one_client(place: Place, method: str, seconds: float) -> list[int]:
    with PackDb(place.socket_path, timeout_s=_CALL_TIMEOUT_S) as db:
        account = db.accounts.create_account(_new_account())
        return _timed(_call(db.tokens, method, account.id), seconds)


def tasks_of_one_client(place: Place, method: str, seconds: float, tasks: int) -> list[int]:
    async def run() -> list[int]:
        async with AsyncPackDb(place.socket_path, timeout_s=_CALL_TIMEOUT_S) as db:
            account = await db.accounts.create_account(_new_account())
            end_ns = time.perf_counter_ns() + int(seconds * 1e9)
            took_ns: list[int] = []

            async def call_repeatedly() -> None:
                while (started_ns := time.perf_counter_ns()) < end_ns:
                    if method == WRITE:
                        await db.tokens.consume_tokens(account.id, 1)
                    else:
                        await db.tokens.get_balance(account.id)
                    took_ns.append(time.perf_counter_ns() - started_ns)

            await asyncio.gather(*(call_repeatedly() for _ in range(tasks)))
            return took_ns

    return asyncio.run(run())


def repository(place: Place, method: str, seconds: float) -> list[int]:
    from pack_db.impls.database.database_connection import DatabaseConnection
    from pack_db.impls.repos.peewee_account_repo import PeeweeAccountRepo
    from pack_db.impls.repos.peewee_ledger import PeeweeLedger
    from pack_db.impls.repos.peewee_token_repo import PeeweeTokenRepo

    path = place.database_path.with_name(f"in-process-{method}.db")
    database = DatabaseConnection(Config({"DB_PATH": str(path)}))
    try:
        database.run_migrations()
        ledger = PeeweeLedger(database)
        account = PeeweeAccountRepo(database, ledger).create_account(_new_account())
        return _timed(_call(PeeweeTokenRepo(database, ledger), method, account.id), seconds)
    finally:
        database.close()


def echo_client(place: Place, seconds: float) -> list[int]:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.rcvtimeo = int(_CALL_TIMEOUT_S * 1000)
        socket.connect(f"ipc://{place.echo_path}")

        def call() -> None:
            socket.send(_REQUEST)
            socket.recv()

        return _timed(call, seconds)


def serve_echo(place: Place) -> None:
    """Answer each message with itself, until the process is ended."""
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        socket.bind(f"ipc://{place.echo_path}")
        while True:
            socket.send(socket.recv())


def _timed(call: Callable[[], object], seconds: float) -> list[int]:
    for _ in range(_WARM_UP_CALLS):
        call()
    took_ns = []
    started_ns = time.perf_counter_ns()
    end_ns = started_ns + int(seconds * 1e9)
    while started_ns < end_ns:
        call()
        finished_ns = time.perf_counter_ns()
        took_ns.append(finished_ns - started_ns)
        started_ns = finished_ns
    return took_ns


def _call(tokens: TokenRepo, method: str, account_id: str) -> Callable[[], object]:
    if method == WRITE:
        return lambda: tokens.consume_tokens(account_id, 1)
    return lambda: tokens.get_balance(account_id)


def _new_account() -> CreateAccountInput:
    return CreateAccountInput(email=f"{uuid4()}@example.com", topup_remaining=_TOPUP)
