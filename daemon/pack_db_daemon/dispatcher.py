import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from pack_db.errors import (
    BadRequest,
    DeadlinePassed,
    InternalError,
    PackDbError,
    ReplyTooLarge,
    StorageError,
    UnknownMethod,
)
from pack_db.interfaces.database import Database
from pack_db.interfaces.reply_journal import JournaledMessage
from pack_db_client.protocol.messages import (
    MAX_DEADLINE_AHEAD_S,
    Arguments,
    Refusal,
    Request,
    decode_request,
    encode_error,
    encode_reply,
    encode_value,
)
from pack_db_daemon.call_statistics import CallStatistics
from pack_db_daemon.exactly_once import ExactlyOnce, Undone
from pack_db_daemon.method_table import MethodTable, ServedMethod
from pack_db_daemon.retries import Retries

_log = logging.getLogger(__name__)

ResolvedCall = tuple[ServedMethod | None, Arguments]

_NO_BLOCK = nullcontext()
_REPLY_OVERHEAD = 32  # bytes of a reply around its results, at most


class _Message(NamedTuple):
    data: bytes
    user_id: int
    request: Request
    calls: list[ResolvedCall]
    is_query: bool


class _CallFailed(Exception):
    """A call shall be undone.

    Args:
        error: what its caller is told.
        defect: what really happened, if nobody should be told.
    """

    def __init__(self, error: PackDbError, defect: Exception | None = None) -> None:
        super().__init__(error)
        self.result = encode_error(error)
        self.defect = defect


class Dispatcher:
    """Turns the bytes of a request into calls of services, and what they return into bytes.

    Args:
        max_reply_bytes: a call whose result would make the reply larger fails instead.
        clock_ns: the clock of the deadlines.
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
    ) -> None:
        self._methods = methods
        self._database = database
        self._exactly_once = exactly_once
        self._retries = retries
        self._statistics = statistics
        self._max_results_bytes = max_reply_bytes - _REPLY_OVERHEAD
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
            if len(writes) > 1:
                with self._database.transaction():
                    replies = [(i, self._reply(m, together=True)) for i, m in writes]
                yield from replies
                return
        except StorageError:
            pass  # whose fault it was shows when each is done by itself
        for index, message in writes:
            yield index, self._reply(message)

    def _read(self, data: bytes, user_id: int) -> _Message | bytes:
        try:
            request = decode_request(data)
        except Refusal as refusal:
            return self._refused(refusal.sequence, refusal.error)
        calls: list[ResolvedCall] = []
        is_query = True
        for name, arguments in request.calls:
            method = self._methods.get(name)
            calls.append((method, arguments))
            if method is not None and not method.is_query:
                is_query = False  # an unknown method fails alone, and writes nothing
        return _Message(data, user_id, request, calls, is_query)

    def _reply(self, message: _Message, *, together: bool = False) -> bytes:
        try:
            return self._answer(message, together)
        except PackDbError as error:
            if together and isinstance(error, StorageError):
                raise
            return self._refused(message.request.sequence, error)
        except Exception:
            _log.exception("a message could not be answered")
            return self._refused(message.request.sequence, _internal_error())

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
            return self._encode_reply(message.request.sequence, self._results(message))

    def _run(self, message: _Message) -> bytes:
        sequence = message.request.sequence
        try:
            return self._encode_reply(sequence, self._results(message))
        except _CallFailed:
            pass
        # A savepoint for every write would cost more than doing this now and then.
        raise Undone(lambda: self._encode_reply(sequence, self._results(message, alone=True)))

    def _results(self, message: _Message, *, alone: bool = False) -> list[bytes]:
        """Do one call after the other.

        Args:
            alone: a call that fails is undone alone, and the others go on.

        Raises:
            _CallFailed: a call failed, and all are to be undone.
        """
        room = self._max_results_bytes
        results = []
        took_ns = []
        for method, arguments in message.calls:
            started_ns = time.perf_counter_ns()
            failed = False
            try:
                with self._database.savepoint() if alone else _NO_BLOCK:
                    result = self._call(method, arguments, room)
            except _CallFailed as failure:
                # A query counts, too: after a statement that failed, PostgreSQL does no other.
                if not message.is_query and not alone:
                    raise
                if failure.defect is not None:
                    _log.error("%s failed", method and method.name, exc_info=failure.defect)
                result = failure.result
                failed = True
            if method is not None:
                took_ns.append((method.name, time.perf_counter_ns() - started_ns, failed))
            room -= len(result)
            results.append(result)
        if room < 0:
            # Errors need room too; together they took more than there was.
            raise ReplyTooLarge(
                "the message's results would not fit in one reply; send fewer calls"
            )
        for name, elapsed_ns, failed in took_ns:
            self._statistics.record(name, elapsed_ns, failed=failed)
        return results

    def _call(self, method: ServedMethod | None, arguments: Arguments, room: int) -> bytes:
        if method is None:
            raise _CallFailed(
                UnknownMethod("this daemon has no such method; a name is service.method")
            )
        try:
            args, kwargs = method.convert_arguments(arguments)
            # Encoded before the commit: a result that cannot be sent must undo its call.
            return self._encode(method.function(*args, **kwargs), room)
        except StorageError:
            self._statistics.record(method.name, 0, failed=True)
            raise  # the whole transaction may be undone already, so all its calls fail
        except PackDbError as error:
            raise _CallFailed(error) from error
        except Exception as exc:
            raise _CallFailed(_internal_error(), exc) from exc

    def _encode(self, value: object, room: int) -> bytes:
        result = encode_value(value)
        if len(result) > room:
            raise ReplyTooLarge(
                f"the result would not fit in a reply of {self._max_results_bytes} bytes "
                "(MAX_MESSAGE_BYTES); ask for less at once"
            )
        return result

    def _refused(self, sequence: int, error: PackDbError) -> bytes:
        return self._encode_reply(sequence, [encode_error(error)])

    def _encode_reply(self, sequence: int, results: list[bytes]) -> bytes:
        return encode_reply(sequence, results, self._clock_ns())


def _internal_error() -> InternalError:
    return InternalError("the daemon failed unexpectedly; its log says more")
