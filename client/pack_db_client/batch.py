import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

import msgspec

from pack_db.errors import NotStarted, PackDbError
from pack_db_client.protocol.methods import Method
from pack_db_client.protocol.replies import code_of
from pack_db_client.protocol.requests import encode_call
from pack_db_client.stub import remote_method
from pack_db_client.transport.channel import Channel

P = ParamSpec("P")
R = TypeVar("R")


class BatchResult(Generic[R]):
    """What one call of a batch will have returned or raised, once the batch was sent."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._result: msgspec.Raw | None = None
        self._error: PackDbError | None = None

    def result(self) -> R:
        """
        Raises:
            PackDbError: what the call raised; it undid itself alone.
            RuntimeError: the batch was not sent, or not yet.
        """
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("the batch is sent at the end of its 'with' block")
        value: R = self._method.decode_result(self._result)
        return value


class Batch:
    """Calls that travel in one message and are written in one commit.

    They are sent at the end of the `with` block, once, and not at all if an exception leaves it.
    A daemon does not let one message hold up everybody: what takes it too long for one message,
    or does not fit in one reply, it leaves undone, and that is sent in another, with a commit of
    its own.
    """

    def __init__(self, channel: Channel, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._calls: list[bytes] = []
        self._has_write = False
        self._results: list[BatchResult[Any]] = []
        self._is_over = False

    def submit(
        self, method: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> BatchResult[R]:
        """Add a call, such as `batch.submit(db.tokens.consume_tokens, account_id, 5)`.

        Raises:
            TypeError: `method` is not one of this client's services, or the arguments do not fit.
            InvalidInput: an argument is of a kind or size that cannot be sent.
            RuntimeError: the batch was sent already.
        """
        self._require_not_over()
        remote = remote_method(method, self._channel)
        call = encode_call(remote.name, remote.pack_arguments(args, kwargs))
        result: BatchResult[R] = BatchResult(remote)
        self._calls.append(call)
        self._results.append(result)
        self._has_write |= not remote.is_query
        return result

    def __enter__(self) -> Self:
        self._require_not_over()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._require_not_over()
        self._is_over = True
        if exc_type is None and self._calls:
            self._send()

    def _send(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        calls, results = self._calls, self._results
        while results:
            try:
                answers = self._channel.round_trip(
                    calls, max(0.0, deadline - time.monotonic()), has_write=self._has_write
                )
            except PackDbError as error:
                for result in results:
                    result._error = error
                raise
            for result, answer in zip(results, answers, strict=True):
                result._result = answer
            left = [n for n, answer in enumerate(answers) if code_of(answer) == NotStarted.code]
            calls, results = [calls[n] for n in left], [results[n] for n in left]

    def _require_not_over(self) -> None:
        if self._is_over:
            raise RuntimeError("this batch was used already; each one is sent once, make another")
