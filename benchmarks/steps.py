"""Where the microseconds of a call go, from the client's arguments to its result and back.

The steps are taken one after the other in one process, as the dispatcher takes them. What is left
of a real call to a real daemon is the way through the sockets, the waking of sleeping processes,
and that code and data are not in the CPU's caches when they wake.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.loaded_database import LoadedDatabase
from benchmarks.tables import markdown
from benchmarks.workload import IN_FLIGHT, Arguments, Operation
from pack_db.config import Config, ConfigKeys
from pack_db.impls.compiled_query import Row
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db.interfaces.reply_journal import JournaledMessage
from pack_db_client import PackDb
from pack_db_client.protocol.replies import encode_reply, split_reply
from pack_db_client.protocol.requests import decode_request, encode_call, encode_request
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.method_table import MethodTable
from tests.support.running_daemon import running_daemon

_DEADLINE_NS = 60 * 10**9
_ROUNDS = 9  # long ones: two processes that wake in turn slow each other down
# Consumptions, after which the log has its full size; to make it larger takes half a sync more.
_WARM_UP = 2000
_SOCKETS = "sockets, waking, cold caches"
_ROWS = (
    "client: pack",
    _SOCKETS,
    "decode",
    "check arguments",
    "begin",
    "journal: look",
    "service",
    "its SQL",
    "encode",
    "journal: note",
    "commit",
    "dispatch",
    "client: unpack",
)
_WHOLE = "one call"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    title: str
    function: Callable[..., Any]  # of a stub
    arguments: Callable[[], tuple[Any, ...]]
    calls: int  # in a message


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("--messages", type=int, default=6000, help="of each kind (default: 6000)")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        loaded = LoadedDatabase(directory / "served")
        loaded.make()
        copy = Path(shutil.copy(loaded.path, directory / "in-process.db"))
        daemon = stack.enter_context(running_daemon({"DB_PATH": str(loaded.path)}))
        db = stack.enter_context(daemon.client())
        in_process = _InProcess(copy)
        stack.callback(in_process.close)
        columns = {}
        kinds = _kinds(db, Arguments(loaded.account_ids(), seed=1))
        consume = next(kind for kind in kinds if kind.title == "consume")
        for _ in range(_WARM_UP):
            in_process.dispatch(consume)
            _round_trip(consume, db)
        for kind in kinds:
            print(f"measuring {kind.title}", file=sys.stderr, flush=True)
            messages = max(100, arguments.messages // kind.calls)
            columns[kind.title] = _measure(kind, db, in_process, messages)
    print("Medians, in microseconds; of a batch, per call.\n")
    print(_table(columns))


def _kinds(db: PackDb, arguments: Arguments) -> Sequence[_Kind]:
    get, consume = db.accounts.get_account, db.tokens.consume_tokens
    create = db.accounts.create_account

    def account() -> tuple[Any, ...]:
        return (arguments.next(Operation.GET),)

    def account_and_one() -> tuple[Any, ...]:
        return (arguments.next(Operation.CONSUME), 1)

    def new_account() -> tuple[Any, ...]:
        return (CreateAccountInput(email=arguments.next(Operation.CREATE)),)

    return [
        _Kind(title="get", function=get, arguments=account, calls=1),
        _Kind(title="consume", function=consume, arguments=account_and_one, calls=1),
        _Kind(title="create", function=create, arguments=new_account, calls=1),
        _Kind(title="get, batch", function=get, arguments=account, calls=IN_FLIGHT),
        _Kind(title="consume, batch", function=consume, arguments=account_and_one, calls=IN_FLIGHT),
    ]


def _measure(kind: _Kind, db: PackDb, in_process: "_InProcess", messages: int) -> dict[str, float]:
    laps: defaultdict[str, list[int]] = defaultdict(list)
    whole, dispatched = [], []
    for _ in range(_ROUNDS):  # a change of the machine's speed meets all
        for _ in range(messages // _ROUNDS):
            for name, elapsed_ns in in_process.step_by_step(kind).items():
                laps[name].append(elapsed_ns)
        dispatched += [in_process.dispatch(kind) for _ in range(messages // _ROUNDS)]
        whole += [_round_trip(kind, db) for _ in range(messages // _ROUNDS)]
    took = {name: median(found) for name, found in laps.items()}
    took["service"] -= took["its SQL"]
    by_client = took["client: pack"] + took["client: unpack"]
    took["dispatch"] = median(dispatched) - (sum(took.values()) - by_client)
    took[_SOCKETS] = median(whole) - median(dispatched) - by_client
    took[_WHOLE] = median(whole)
    return {name: elapsed_ns / 1000 / kind.calls for name, elapsed_ns in took.items()}


def _round_trip(kind: _Kind, db: PackDb) -> int:
    arguments = [kind.arguments() for _ in range(kind.calls)]
    began_ns = time.perf_counter_ns()
    if kind.calls == 1:
        kind.function(*arguments[0])
    else:
        with db.batch() as batch:
            results = [batch.submit(kind.function, *a) for a in arguments]
        for result in results:
            result.result()
    return time.perf_counter_ns() - began_ns


class _InProcess:
    """The daemon's parts, without its socket."""

    def __init__(self, path: Path) -> None:
        factory = _Factory(path)
        self._database = factory.timed_connection
        self._journal = factory.get_reply_journal()
        self._methods = MethodTable(factory.services, factory.get_services())
        self._dispatcher = Dispatcher(
            self._methods,
            self._database,
            ExactlyOnce(self._database, self._journal),
            CallStatistics(),
            factory.get_config().max_message_bytes,
        )
        self._client_id = os.urandom(16)
        self._sequence = 0
        self.close = self._database.close

    def dispatch(self, kind: _Kind) -> int:
        self._sequence += 1
        data = self._request(kind, [kind.arguments() for _ in range(kind.calls)])
        began_ns = time.perf_counter_ns()
        self._dispatcher.dispatch(data, os.getuid())
        return time.perf_counter_ns() - began_ns

    def step_by_step(self, kind: _Kind) -> dict[str, int]:
        self._sequence += 1
        method = kind.function.remote_method  # type: ignore[attr-defined]
        all_arguments = [kind.arguments() for _ in range(kind.calls)]
        with ExitStack() as transaction:
            watch = _Stopwatch()
            data = self._request(kind, all_arguments)
            watch.lap("client: pack")
            request = decode_request(data)
            watch.lap("decode")
            served = [(self._methods.get(call.method), call) for call in request.calls if call]
            ready = [(found, *found.unpack_arguments(call)) for found, call in served if found]
            watch.lap("check arguments")
            if not method.is_query:
                message = JournaledMessage(
                    client_id=request.client_id,
                    user_id=os.getuid(),
                    sequence=request.sequence,
                    digest=hashlib.blake2b(data, digest_size=16).digest(),
                    deadline_ns=request.deadline_ns,
                )
                transaction.enter_context(self._database.transaction())
                watch.lap("begin")
                self._journal.find(message)
                watch.lap("journal: look")
            elif kind.calls > 1:
                transaction.enter_context(self._database.snapshot())
                watch.lap("begin")
            self._database.sql_ns = 0
            values = [found.function(*args, **kwargs) for found, args, kwargs in ready]
            watch.lap("service")
            watch.laps["its SQL"] = self._database.sql_ns
            results = [
                found.encode_result(value) for (found, *_), value in zip(ready, values, strict=True)
            ]
            reply = encode_reply(request.sequence, results, time.monotonic_ns())
            watch.lap("encode")
            if not method.is_query:
                self._journal.record(message, reply)
                watch.lap("journal: note")
            if kind.calls > 1 or not method.is_query:
                transaction.close()
                watch.lap("commit")
            _, answered, _ = split_reply(reply)
            for result in answered:
                method.decode_result(result)
            watch.lap("client: unpack")
        return watch.laps

    def _request(self, kind: _Kind, all_arguments: Sequence[tuple[Any, ...]]) -> bytes:
        method = kind.function.remote_method  # type: ignore[attr-defined]
        calls = [encode_call(method.name, method.pack_arguments(a, {})) for a in all_arguments]
        deadline_ns = time.monotonic_ns() + _DEADLINE_NS
        return encode_request(self._client_id, self._sequence, deadline_ns, calls)


class _Stopwatch:
    def __init__(self) -> None:
        self.laps: dict[str, int] = {}
        self._began_ns = time.perf_counter_ns()

    def lap(self, name: str) -> None:
        self.laps[name] = time.perf_counter_ns() - self._began_ns
        self._began_ns = time.perf_counter_ns()


class _TimedConnection(DatabaseConnection):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sql_ns = 0
        self._run = self._engine.run
        self._engine.run = self._run_timed

    def _run_timed(self, sql: str, values: Sequence[Any]) -> Iterable[Row]:
        began_ns = time.perf_counter_ns()
        try:
            return list(self._run(sql, values))
        finally:
            self.sql_ns += time.perf_counter_ns() - began_ns


class _Factory(ServiceFactory):
    def __init__(self, path: Path) -> None:
        super().__init__(Config({ConfigKeys.DB_PATH: str(path)}))
        self._database_connection = self.timed_connection = _TimedConnection(self.get_config())


def _table(columns: dict[str, dict[str, float]]) -> str:
    rows = [
        [name, *(f"{took[name]:,.1f}" if name in took else "" for took in columns.values())]
        for name in (*_ROWS, _WHOLE)
    ]
    return markdown([["step", *columns], *rows])


if __name__ == "__main__":
    main()
