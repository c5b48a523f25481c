"""A client in a process of its own, told what to do through a pipe."""

import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, TypeVar, TypeVarTuple

from benchmarks.adapter import Adapter
from benchmarks.checks import check, tokens_left
from benchmarks.clients import Client
from benchmarks.in_flight import InFlight, batches, describe
from benchmarks.workload import Arguments, Load, Operation

Args = TypeVarTuple("Args")
R = TypeVar("R")

_spawn = multiprocessing.get_context("spawn")  # libzmq does not survive a fork
_CONNECT_PATIENCE_S = 15.0


class ClientFailed(Exception):
    """A client process could not do what it was told."""


@dataclass(slots=True)
class Calls:
    answered: int = 0
    latencies_ns: list[int] = field(default_factory=list)  # where calls are timed one by one
    cpu_s: float = 0.0  # of the client process meanwhile
    errors: Counter[str] = field(default_factory=Counter)


class Caller:
    """What runs in the process."""

    _client: Any

    def __init__(self, adapter: Adapter, seed: int) -> None:
        self._adapter = adapter
        self._account_ids = adapter.account_ids()
        self._arguments = Arguments(self._account_ids, seed)

    def connect(self) -> None:
        """Connect, and get an answer; a server that has just started may need a moment."""
        give_up = time.monotonic() + _CONNECT_PATIENCE_S
        while True:
            try:
                client: Client = self._adapter.client()
                client.get(self._account_ids[0])
                self._client = client
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

    def call(self, operation: Operation, times: int) -> None:
        for _ in range(times):
            getattr(self._client, operation)(self._arguments.next(operation))

    def time_calls(
        self, operation: Operation, start_at: float, warm_up_s: float, seconds: float
    ) -> Calls:
        """Make one call after the other; those of the warm-up are not counted, unless they fail.

        Args:
            start_at: on CLOCK_MONOTONIC, so that several processes can start at once.
        """
        call, clock_ns = getattr(self._client, operation), time.monotonic_ns
        counted_from_ns = int((start_at + warm_up_s) * 1e9)
        end_ns = counted_from_ns + int(seconds * 1e9)
        made, cpu_before_s = Calls(), None
        time.sleep(max(0.0, start_at - time.monotonic()))
        while True:
            argument = self._arguments.next(operation)
            began_ns = clock_ns()
            # A call counts where it begins: one that outlasts the measurement must show.
            if began_ns >= end_ns:
                made.answered = len(made.latencies_ns)
                if cpu_before_s is not None:
                    made.cpu_s = time.process_time() - cpu_before_s
                return made
            is_counted = began_ns >= counted_from_ns
            if is_counted and cpu_before_s is None:
                cpu_before_s = time.process_time()
            try:
                call(argument)
            except Exception as error:
                made.errors[describe(error)] += 1
            else:
                if is_counted:
                    made.latencies_ns.append(clock_ns() - began_ns)

    def keep_in_flight(
        self, load: Load, operation: Operation, warm_up_s: float, seconds: float
    ) -> Calls:
        calls = InFlight(operation, self._arguments, warm_up_s, seconds)
        if load is Load.BATCHES:
            batches(self._client, calls)
        else:
            self._adapter.keep_in_flight(calls)
        return Calls(answered=calls.answered, errors=calls.errors)


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
