import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from pack_db.errors import BadRequest, DeadlinePassed, PackDbError, StorageError
from pack_db.interfaces.database import Database
from pack_db.interfaces.reply_journal import JournaledMessage
from pack_db_client.protocol.messages import (
    MAX_DEADLINE_AHEAD_S,
    Refusal,
    Request,
    decode_request,
    encode_reply,
)
from pack_db_daemon.dispatch.call_runner import BUDGET_NS, CallFailed, CallRunner, ResolvedCall
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.exactly_once import ExactlyOnce, Undone
from pack_db_daemon.dispatch.failures import failure_of
from pack_db_daemon.dispatch.method_table import MethodTable
from pack_db_daemon.dispatch.retries import Retries

_NO_BLOCK = nullcontext()


class _Message(NamedTuple):
    data: bytes
    user_id: int
    request: Request
    calls: list[ResolvedCall]
    is_query: bool


class _Late(Exception):
    """The deadline of a message passed before the commit that it shares."""


class Dispatcher:
    """Turns the bytes of a request into calls of services, and what they return into bytes.

    Args:
        max_reply_bytes: a call whose result would make the reply larger is not done.
        clock_ns: the clock of the deadlines and of the budgets.
        budget_ns: how long the calls of a message may take, and half of what those of a group
            may that share a commit.
    """

    def __init__(
        self,
        methods: MethodTable,
        database: Database,
        exactly_once: ExactlyOnce,
        retries: Retries,
        statistics: CallStatistics,
        max_reply_bytes: int,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        budget_ns: int = BUDGET_NS,
    ) -> None:
        self._methods = methods
        self._database = database
        self._exactly_once = exactly_once
        self._retries = retries
        self._runner = CallRunner(database, statistics, max_reply_bytes, budget_ns, clock_ns)
        self._group_budget_ns = 2 * budget_ns
        self._clock_ns = clock_ns

    def dispatch(self, data: bytes, user_id: int) -> bytes:
        """Answer a message, whatever it is; never raises. Threads may call it at once.

        Args:
            user_id: numeric uid of the process that sent it.
        """
        message = self._read(data, user_id)
        return message if isinstance(message, bytes) else self._reply(message)

    def dispatch_together(
        self, messages: Sequence[tuple[bytes, int]]
    ) -> Iterator[tuple[int, bytes]]:
        """Answer messages of different clients, those with writes in one commit.

        Args:
            messages: data and user id of each, as for `dispatch`.

        Yields:
            The index of a message and its reply, as soon as it may be sent.
        """
        writes: list[tuple[int, _Message]] = []
        for index, (data, user_id) in enumerate(messages):
            message = self._read(data, user_id)
            if isinstance(message, bytes):
                yield index, message
            elif message.is_query:
                yield index, self._reply(message)
            else:
                writes.append((index, message))
        try:
            while len(writes) > 1:
                for late in [write for write in writes if self._is_late(write[1])]:
                    writes.remove(late)
                    yield late[0], self._reply(late[1])
                replies = self._replies_together(writes)
                yield from replies
                answered = {index for index, _ in replies}
                writes = [write for write in writes if write[0] not in answered]
        except StorageError:
            pass  # whose fault it was shows when each is done by itself
        for index, message in writes:
            yield index, self._reply(message)

    def _replies_together(self, writes: Sequence[tuple[int, _Message]]) -> list[tuple[int, bytes]]:
        """Do as many messages in one commit as fit into a budget; none if one became too late."""
        stop_ns = self._clock_ns() + self._group_budget_ns
        replies = []
        try:
            with self._database.transaction():
                for index, message in writes:
                    replies.append((index, self._reply(message, together=True)))
                    if self._clock_ns() > stop_ns:
                        break
                if any(self._is_late(message) for _, message in writes[: len(replies)]):
                    raise _Late
        except _Late:
            return []
        return replies

    def _is_late(self, message: _Message) -> bool:
        return self._clock_ns() > message.request.deadline_ns

    def _read(self, data: bytes, user_id: int) -> _Message | bytes:
        try:
            request = decode_request(data)
        except Refusal as refusal:
            return self._refused(refusal.sequence, refusal.error)
        calls: list[ResolvedCall] = []
        is_query = True
        for call in request.calls:
            method = call and self._methods.get(call.method)
            calls.append((method, call))
            if method is not None and not method.is_query:
                is_query = False  # what cannot be called fails alone, and writes nothing
        return _Message(data, user_id, request, calls, is_query)

    def _reply(self, message: _Message, *, together: bool = False) -> bytes:
        try:
            return self._answer(message, together)
        except PackDbError as error:
            if together and isinstance(error, StorageError):
                raise
            return self._refused(message.request.sequence, error)
        except Exception as exc:
            return self._refused(message.request.sequence, exc)

    def _answer(self, message: _Message, together: bool) -> bytes:
        request = message.request
        now_ns = self._clock_ns()
        if request.deadline_ns and request.deadline_ns < now_ns:
            raise DeadlinePassed("the message arrived after its deadline; nothing was done")
        if message.is_query:
            return self._retries.run(lambda: self._ask(message), request.deadline_ns)
        if not 0 < request.deadline_ns - now_ns <= MAX_DEADLINE_AHEAD_S * 10**9:
            raise BadRequest(
                f"a message with a write needs a deadline at most {MAX_DEADLINE_AHEAD_S} s ahead"
            )
        journaled = JournaledMessage(
            client_id=request.client_id,
            user_id=message.user_id,
            sequence=request.sequence,
            digest=hashlib.blake2b(message.data, digest_size=16).digest(),
            deadline_ns=request.deadline_ns,
        )
        run_once = self._exactly_once.run_inside if together else self._exactly_once.run
        return run_once(journaled, lambda: self._run(message))

    def _ask(self, message: _Message) -> bytes:
        with self._database.snapshot() if len(message.calls) > 1 else _NO_BLOCK:
            return self._work(message)

    def _run(self, message: _Message) -> bytes:
        try:
            return self._work(message)
        except CallFailed:
            pass
        # A savepoint for every write would cost more than doing this now and then.
        raise Undone(lambda: self._work(message, alone=True))

    def _work(self, message: _Message, *, alone: bool = False) -> bytes:
        results = self._runner.results(message.calls, is_query=message.is_query, alone=alone)
        return encode_reply(message.request.sequence, results, self._clock_ns())

    def _refused(self, sequence: int, exc: Exception) -> bytes:
        failure = failure_of(exc, "the message could not be answered")
        failure.log()
        return encode_reply(sequence, [failure.result], self._clock_ns())
