from collections.abc import Callable, Sequence

from pack_db.errors import BadRequest, NotStarted, ReplyTooLarge, StorageError, UnknownMethod
from pack_db.interfaces.database import Database
from pack_db_client.protocol.replies import encode_error
from pack_db_client.protocol.requests import Call
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.failures import Failure, failure_of
from pack_db_daemon.dispatch.method_table import ServedMethod

BUDGET_NS = 10_000_000
"""How long the calls of a message may take before the rest of them are left, as others wait."""

NETWORK_BUDGET_NS = 100_000_000
"""The same where a message keeps one worker from the others, and most of it is waiting."""

NOT_STARTED = encode_error(NotStarted("not done; send it again"))

_NO_CALL = encode_error(
    BadRequest("a call is an array of a method's name and its arguments (array or map)")
)
_LONGEST_NAME = 100  # characters; what is longer is no method, and is not repeated
_REPLY_OVERHEAD = 48  # bytes of a reply around its results, at most

ResolvedCall = tuple[ServedMethod | None, Call | None]
"""None where there is no such method, or it is no call."""


def _unknown(method: str) -> bytes:
    is_name = len(method) <= _LONGEST_NAME and method.replace(".", "").isidentifier()
    what = f"method {method}" if is_name else "such method"
    return encode_error(
        UnknownMethod(
            f"this daemon has no {what}; a name is service.method, and "
            "services of your own are served where SERVICE_FACTORY names their factory"
        )
    )


class CallFailed(Exception):
    """A call failed, and what it wrote is to be undone."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class CallRunner:
    """Does the calls of a message, as many as fit into its budget of time and into a reply.

    Args:
        max_reply_bytes: a call whose result would make the reply larger fails instead.
        budget_ns: of each message.
    """

    def __init__(
        self,
        database: Database,
        statistics: CallStatistics,
        max_reply_bytes: int,
        budget_ns: int,
        clock_ns: Callable[[], int],
    ) -> None:
        self._database = database
        self._statistics = statistics
        self._max_results_bytes = max_reply_bytes - _REPLY_OVERHEAD
        self._budget_ns = budget_ns
        self._clock_ns = clock_ns

    def results(
        self,
        calls: Sequence[ResolvedCall],
        undo: Callable[[], object] | None,
        *,
        savepoints: bool = False,
    ) -> list[bytes]:
        """Do one call after the other; the first one in any case.

        Args:
            undo: what to do when a call fails, before its error becomes its result; without it
                no call may fail.
            savepoints: a call that fails is undone alone.

        Raises:
            CallFailed: there is no `undo`.
            StorageError: the whole transaction may be undone already, so all its calls fail.
        """
        # Whatever happens, there is space to say of each of the others that it was not done.
        space = self._max_results_bytes - len(calls) * len(NOT_STARTED)
        results: list[bytes] = []
        ended_ns = self._clock_ns()
        stop_ns = ended_ns + self._budget_ns
        for method, call in calls:
            started_ns, failed = ended_ns, False
            space += len(NOT_STARTED)
            try:
                if savepoints:
                    with self._database.savepoint():
                        result = self._result(method, call, space, is_first=not results)
                else:
                    result = self._result(method, call, space, is_first=not results)
            except CallFailed as exc:
                if undo is None:
                    raise
                undo()
                exc.failure.log()
                result, failed = exc.failure.result, True
            except StorageError:
                if method is not None:
                    self._statistics.record(method.name, self._clock_ns() - started_ns, failed=True)
                raise
            if len(result) > space and not results:
                raise ReplyTooLarge("a reply has no room for so many results; send fewer calls")
            if len(result) > space or result is NOT_STARTED:
                break
            ended_ns = self._clock_ns()
            if method is not None:
                self._statistics.record(method.name, ended_ns - started_ns, failed=failed)
            space -= len(result)
            results.append(result)
            if ended_ns > stop_ns:
                break
        if len(results) < len(calls):
            results += [NOT_STARTED] * (len(calls) - len(results))
        return results

    def _result(
        self, method: ServedMethod | None, call: Call | None, space: int, *, is_first: bool
    ) -> bytes:
        if call is None:
            raise CallFailed(Failure(_NO_CALL))
        if method is None:
            raise CallFailed(Failure(_unknown(call.method)))
        try:
            args, kwargs = method.unpack_arguments(call)
            value = method.function(*args, **kwargs)
        except StorageError:
            raise
        except BaseException as exc:  # the daemon outlives what ends a process, too
            raise CallFailed(failure_of(exc, f"{method.name} failed")) from exc
        try:
            # Encoded before the commit: a result that cannot be sent must undo its call.
            result = method.encode_result(value)
        except BaseException as exc:
            what = f"{method.name} returned something else than its interface promises"
            raise CallFailed(failure_of(exc, what)) from exc
        if len(result) > space:
            raise CallFailed(self._does_not_fit() if is_first else Failure(NOT_STARTED))
        return result

    def _does_not_fit(self) -> Failure:
        return Failure(
            encode_error(
                ReplyTooLarge(
                    f"the result would not fit in a reply of {self._max_results_bytes} bytes "
                    "(MAX_MESSAGE_BYTES); ask for less at once, or in a message with fewer calls"
                )
            )
        )
