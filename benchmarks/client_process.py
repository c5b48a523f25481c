"""A client in a process of its own, told what to do through a pipe."""

import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar, TypeVarTuple

from benchmarks.adapter import Adapter
from benchmarks.arguments import Arguments
from benchmarks.checks import check, tokens_left
from benchmarks.clients import Client
from benchmarks.errors import describe
from benchmarks.load import Load
from benchmarks.timed_calls import TimedCalls, timed_calls
from benchmarks.workload import Operation

Args = TypeVarTuple("Args")
R = TypeVar("R")

# Not fork: libraries such as gRPC's and libzmq's do not survive it.
_spawn = multiprocessing.get_context("spawn")

_CONNECT_PATIENCE_S = 15.0


class ClientFailed(Exception):
    """A client process could not do what it was told."""


class Caller:
    """What runs in the process."""

    _client: Client

    def __init__(self, adapter: Adapter, seed: int) -> None:
        self._adapter = adapter
        self._account_ids = adapter.account_ids()
        self._arguments = Arguments(self._account_ids, seed)

    def connect(self) -> None:
        """Connect, and get an answer; a server that has just started may need a moment."""
        give_up = time.monotonic() + _CONNECT_PATIENCE_S
        while True:
            try:
                self._client = self._adapter.client()
                self._client.get(self._account_ids[0])
                return
            except Exception:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.05)

    def check(self) -> None:
        check(self._client, self._account_ids[0], self._arguments.next(Operation.CREATE))

    def tokens_left(self) -> int:
        return tokens_left(self._client, self._account_ids[1])

    def consume(self, times: int) -> None:
        for _ in range(times):
            self._client.consume(self._account_ids[1])

    def time_calls(
        self, operation: Operation, start_at: float, warm_up_s: float, seconds: float
    ) -> TimedCalls:
        call = getattr(self._client, operation)
        arguments = self._arguments
        return timed_calls(call, lambda: arguments.next(operation), start_at, warm_up_s, seconds)

    def keep_in_flight(
        self, way: str, operation: Operation, warm_up_s: float, seconds: float
    ) -> tuple[int, Counter[str]]:
        """Calls answered, and errors."""
        load = Load(operation, self._arguments, warm_up_s, seconds)
        self._adapter.ways()[way](load)
        return load.answered, load.errors


class ClientProcess:
    """The other end of the pipe."""

    def __init__(self, adapter: Adapter, seed: int) -> None:
        self._pipe, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_run, args=(theirs, adapter, seed), daemon=True)
        self._process.start()
        theirs.close()

    def tell(self, method: Callable[[Caller, *Args], R], *args: *Args) -> None:
        """Have a method of `Caller` run; `answer` waits for it."""
        self._pipe.send((method, args))

    def answer(self, patience_s: float) -> Any:
        """
        Raises:
            ClientFailed: the method raised, did not end in time, or took its process with it.
        """
        if not self._pipe.poll(patience_s):
            raise ClientFailed(f"no answer in {patience_s:.0f} s")
        try:
            is_done, answer = self._pipe.recv()
        except EOFError:
            raise ClientFailed("the process ended") from None
        if not is_done:
            raise ClientFailed(answer)
        return answer

    def ask(self, patience_s: float, method: Callable[[Caller, *Args], R], *args: *Args) -> R:
        self.tell(method, *args)
        answer: R = self.answer(patience_s)
        return answer

    def kill(self) -> None:
        # A polite end would wait for the threads of whatever library it has loaded.
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _run(pipe: Connection, adapter: Adapter, seed: int) -> None:
    caller = Caller(adapter, seed)
    while True:
        try:
            method, args = pipe.recv()
        except EOFError:
            return
        try:
            answer = (True, method(caller, *args))
        except Exception as error:
            traceback.print_exc()
            answer = (False, describe(error))
        pipe.send(answer)
