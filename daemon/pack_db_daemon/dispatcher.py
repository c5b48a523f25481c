import hashlib
import logging
import time
from collections.abc import Callable

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
from pack_db_daemon.exactly_once import ExactlyOnce
from pack_db_daemon.method_table import MethodTable, ServedMethod

_log = logging.getLogger(__name__)

ResolvedCall = tuple[ServedMethod | None, Arguments]

_REPLY_OVERHEAD = 32  # bytes of a reply around its results, at most


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
        statistics: CallStatistics,
        max_reply_bytes: int,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._methods = methods
        self._database = database
        self._exactly_once = exactly_once
        self._statistics = statistics
        self._max_results_bytes = max_reply_bytes - _REPLY_OVERHEAD
        self._clock_ns = clock_ns

    def dispatch(self, message: bytes, user_id: int) -> bytes:
        """Answer a message, whatever it is; never raises.

        Args:
            user_id: numeric uid of the process that sent it.
        """
        try:
            request = decode_request(message)
            try:
                return self._answer(request, message, user_id)
            except PackDbError as error:
                raise Refusal(request.sequence, error) from error
            except Exception as exc:
                _log.exception("a message could not be answered")
                raise Refusal(request.sequence, _internal_error()) from exc
        except Refusal as refusal:
            return encode_reply(refusal.sequence, [encode_error(refusal.error)])

    def _answer(self, request: Request, message: bytes, user_id: int) -> bytes:
        now_ns = self._clock_ns()
        if request.deadline_ns and request.deadline_ns < now_ns:
            raise DeadlinePassed("the message arrived after its deadline; nothing was done")
        calls = [(self._methods.get(call.method), call.arguments) for call in request.calls]
        # An unknown method is an error of its own call only; it writes nothing.
        if all(method is None or method.is_query for method, _ in calls):
            return self._run(request.sequence, calls)
        if not 0 < request.deadline_ns - now_ns <= MAX_DEADLINE_AHEAD_S * 10**9:
            raise BadRequest(
                f"a message with a write needs a deadline at most {MAX_DEADLINE_AHEAD_S} s ahead"
            )
        journaled = JournaledMessage(
            client_id=request.client_id,
            user_id=user_id,
            sequence=request.sequence,
            digest=hashlib.blake2b(message, digest_size=16).digest(),
            deadline_ns=request.deadline_ns,
        )
        return self._exactly_once.run(journaled, lambda: self._run(request.sequence, calls))

    def _run(self, sequence: int, calls: list[ResolvedCall]) -> bytes:
        room = self._max_results_bytes
        results = []
        for method, arguments in calls:
            result = self._result(method, arguments, room)
            room -= len(result)
            results.append(result)
        if room < 0:
            # Errors need room too; together they took more than there was.
            raise ReplyTooLarge(
                "the message's results would not fit in one reply; send fewer calls"
            )
        return encode_reply(sequence, results)

    def _result(self, method: ServedMethod | None, arguments: Arguments, room: int) -> bytes:
        if method is None:
            return encode_error(
                UnknownMethod("this daemon has no such method; a name is service.method")
            )
        started_ns = time.perf_counter_ns()
        failed = True
        try:
            result = self._call(method, arguments, room)
            failed = False
        except StorageError:
            raise  # SQLite may have undone the whole transaction, so all its calls fail
        except PackDbError as error:
            result = encode_error(error)
        except Exception:
            _log.exception("%s failed", method.name)
            result = encode_error(_internal_error())
        finally:
            elapsed_ns = time.perf_counter_ns() - started_ns
            self._statistics.record(method.name, elapsed_ns, failed=failed)
        return result

    def _call(self, method: ServedMethod, arguments: Arguments, room: int) -> bytes:
        args, kwargs = method.convert_arguments(arguments)
        if method.is_query:
            return self._encode(method.function(*args, **kwargs), room)
        with self._database.savepoint():
            # Encoded inside: a result that cannot be sent must undo its call.
            return self._encode(method.function(*args, **kwargs), room)

    def _encode(self, value: object, room: int) -> bytes:
        result = encode_value(value)
        if len(result) > room:
            raise ReplyTooLarge(
                f"the result would not fit in a reply of {self._max_results_bytes} bytes "
                "(MAX_MESSAGE_BYTES); ask for less at once"
            )
        return result


def _internal_error() -> InternalError:
    return InternalError("the daemon failed unexpectedly; its log says more")
