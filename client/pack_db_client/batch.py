from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar

from pack_db.errors import PackDbError
from pack_db_client.channel import Channel
from pack_db_client.protocol.messages import encode_call, result_value
from pack_db_client.protocol.methods import Method
from pack_db_client.stub import remote_method

P = ParamSpec("P")
R = TypeVar("R")


class BatchResult(Generic[R]):
    """What one call of a batch will have returned or raised, once the batch was sent."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._result: Any = None
        self._error: PackDbError | None = None

    def result(self) -> R:
        """
        Raises:
            PackDbError: what the call raised; it undid itself alone.
            RuntimeError: the batch has not been sent yet.
        """
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("the batch is sent at the end of its 'with' block")
        value: R = self._method.convert_result(result_value(self._result))
        return value


class Batch:
    """Calls that travel in one message and are written in one commit.

    They are sent at the end of the `with` block, and not at all if an exception leaves it.
    """

    def __init__(self, channel: Channel, timeout_s: float) -> None:
        self._channel = channel
        self._timeout_s = timeout_s
        self._calls: list[bytes] = []
        self._has_write = False
        self._results: list[BatchResult[Any]] = []

    def submit(
        self, method: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> BatchResult[R]:
        """Add a call, such as `batch.submit(db.tokens.consume_tokens, account_id, 5)`."""
        remote = remote_method(method)
        self._calls.append(encode_call(remote.name, remote.pack_arguments(args, kwargs)))
        self._has_write |= not remote.is_query
        result: BatchResult[R] = BatchResult(remote)
        self._results.append(result)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None or not self._calls:
            return
        try:
            answers = self._channel.round_trip(
                self._calls, self._timeout_s, has_write=self._has_write
            )
        except PackDbError as error:
            for result in self._results:
                result._error = error
            raise
        for result, answer in zip(self._results, answers, strict=True):
            result._result = answer
