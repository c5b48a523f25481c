import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from pack_db.errors import BadRequest, DeadlinePassed, OutcomeUnknown, StorageError
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce, Once
from pack_db.impls.exactly_once.retries import Retries
from pack_db.interfaces.database import Database
from pack_db.interfaces.reply_journal import JournaledMessage
from pack_db_client.protocol.replies import encode_reply
from pack_db_client.protocol.requests import MAX_DEADLINE_AHEAD_S, Refusal, Request, decode_request
from pack_db_daemon.dispatch.call_runner import BUDGET_NS, CallFailed, CallRunner, ResolvedCall
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.failures import failure_of
from pack_db_daemon.dispatch.method_table import MethodTable


class Message(NamedTuple):
    """A request that could be read."""

    data: bytes
    user_id: int
    request: Request
    calls: list[ResolvedCall]
    is_query: bool


class _Late(Exception):
    """The deadline of a message passed before the commit that it shares."""


class Dispatcher:
    """Turns the bytes of a request into calls of services, and what they return into bytes.

    Threads may share it.

    Args:
        max_reply_bytes: a call whose result would make the reply larger is not done.
        retries: where a database fails for reasons that pass.
        clock_ns: the clock of the deadlines and of the budgets.
        budget_ns: how long the calls of a message may take, and half of what those of a group
            may that share a commit.
    """

    def __init__(
        self,
        methods: MethodTable,
        database: Database,
        exactly_once: ExactlyOnce,
        statistics: CallStatistics,
        max_reply_bytes: int,
        retries: Retries | None = None,
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
        """Answer a request, whatever it is; never raises.

        Args:
            user_id: numeric uid of the process that sent it.
        """
        message = self.read(data, user_id)
        return message if isinstance(message, bytes) else self.answer(message)

    def read(self, data: bytes, user_id: int) -> Message | bytes:
        """A message to be answered, or the reply to one that is refused; as `dispatch`."""
        try:
            request = decode_request(data)
        except Refusal as refusal:
            return self._refused(refusal.sequence, refusal.error)
        calls: list[ResolvedCall] = []
        is_query = True
        for call in request.calls:
            method = None if call is None else self._methods.get(call.method)
            calls.append((method, call))
            if method is not None and not method.is_query:
                is_query = False  # what cannot be called fails alone, and writes nothing
        return Message(data, user_id, request, calls, is_query)

    def answer(self, message: Message) -> bytes:
        """The reply to a message; never raises."""
        try:
            if self._retries is None:
                return self._attempt(message)
            return self._retries.run(lambda: self._attempt(message), message.request.deadline_ns)
        except Exception as exc:
            request = message.request
            reply = self._refused(request.sequence, exc)
            if message.is_query or not isinstance(exc, (StorageError, OutcomeUnknown)):
                return reply
            if self._exactly_once.give_up(
                request.client_id, request.sequence, request.deadline_ns, reply
            ):
                return reply
            return self._refused(
                request.sequence,
                OutcomeUnknown(
                    f"the database failed ({exc}), for so many clients that a copy of the "
                    "message may still be done"
                ),
            )

    def answer_together(self, messages: Sequence[Message]) -> Iterator[bytes]:
        """Answer messages in their order, many in one commit; yields each reply when it may be
        sent."""
        while len(messages) > 1:
            try:
                with self._database.transaction():
                    replies = self._replies_together(messages)
            except (StorageError, _Late):
                break  # whose fault it was shows when each is done by itself
            yield from replies
            messages = messages[len(replies) :]
        yield from map(self.answer, messages)

    def start_together(
        self, messages: Sequence[Message], ended: Callable[[], object]
    ) -> Sequence[bytes]:
        """Do messages, and let a thread commit them, while queries are answered.

        Args:
            ended: called, by any thread, when `finish_together` need not wait.

        Returns:
            replies to the first of them, which may be sent if that returns them; none if they
            have to be answered otherwise.
        """
        try:
            with self._database.background_transaction(ended):
                return self._replies_together(messages)
        except (StorageError, _Late):
            return ()

    def finish_together(
        self, messages: Sequence[Message], replies: Sequence[bytes]
    ) -> Iterable[bytes]:
        """The replies to messages that `start_together` has replied to."""
        try:
            self._database.finish_commit()
        except StorageError:
            return map(self.answer, messages)
        return replies

    def _replies_together(self, messages: Sequence[Message]) -> Sequence[bytes]:
        """Do as many messages as fit into a budget, in the transaction that is open."""
        replies: list[bytes] = []
        stop_ns = self._clock_ns() + self._group_budget_ns
        for message in messages:
            try:
                replies.append(self._attempt(message))
            except StorageError:
                raise
            except Exception as exc:
                replies.append(self._refused(message.request.sequence, exc))
            if self._clock_ns() > stop_ns:
                break
        now_ns = self._clock_ns()
        if any(0 < m.request.deadline_ns < now_ns for m in messages[: len(replies)]):
            raise _Late
        return replies

    def _attempt(self, message: Message) -> bytes:
        request = message.request
        now_ns = self._clock_ns()
        if 0 < request.deadline_ns < now_ns:
            raise DeadlinePassed("the message arrived after its deadline; nothing was done")
        calls = message.calls
        if message.is_query:
            if len(calls) == 1:
                results = self._runner.results(calls, _nothing)
            else:
                with self._database.snapshot():
                    results = self._runner.results(calls, _nothing)
            return encode_reply(request.sequence, results, self._clock_ns())
        if not 0 < request.deadline_ns - now_ns <= MAX_DEADLINE_AHEAD_S * 10**9:
            raise BadRequest(
                f"a message with a write needs a deadline at most {MAX_DEADLINE_AHEAD_S} s ahead"
            )
        digest = hashlib.blake2b(message.data, digest_size=16).digest()
        journaled = JournaledMessage(
            request.client_id, message.user_id, request.sequence, digest, request.deadline_ns
        )
        with self._exactly_once.once(journaled) as once:
            if once.reply is None:
                if len(calls) == 1:
                    results = self._runner.results(calls, once.roll_back)
                else:
                    results = self._write_all(calls, once)
                once.reply = encode_reply(request.sequence, results, self._clock_ns())
        return once.reply

    def _write_all(self, calls: list[ResolvedCall], once: Once) -> list[bytes]:
        try:
            return self._runner.results(calls, None)
        except CallFailed:
            # A savepoint for every write would cost more than doing this now and then.
            once.roll_back()
            return self._runner.results(calls, _nothing, savepoints=True)

    def _refused(self, sequence: int, exc: Exception) -> bytes:
        failure = failure_of(exc, "the message could not be answered")
        failure.log()
        return encode_reply(sequence, [failure.result], self._clock_ns())


def _nothing() -> None:
    """There is nothing to undo, or a savepoint has undone it."""
