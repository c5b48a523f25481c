import itertools
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import zmq

from pack_db.errors import (
    CallTimeout,
    ClientClosed,
    DeadlinePassed,
    OutcomeUnknown,
    PackDbError,
    PermissionDenied,
    StorageError,
    error_class,
)
from pack_db_client.protocol.messages import decode_reply
from pack_db_client.unavailable import why_unavailable

_LOOK_FIRST = "the write may have been done or not, so look before you repeat it"
_TICK_S = 0.05  # how soon a lost connection is noticed
_FIRST_RESEND_S = 1.0  # on a connection that lives; doubled each time


class Wait(NamedTuple):
    """Please wait until the socket is ready for `events`, at most `seconds`."""

    events: int  # zmq.POLLIN or zmq.POLLOUT
    seconds: float


class Message(NamedTuple):
    data: bytes
    sequence: int
    deadline_ns: int  # CLOCK_MONOTONIC
    has_write: bool
    call_count: int


def new_socket(context: zmq.Context[zmq.Socket[bytes]], path: Path) -> zmq.Socket[bytes]:
    """A REQ socket that `deliver` can work with."""
    socket = context.socket(zmq.REQ)
    # A message may be sent again without its reply, and only the last copy's reply is taken.
    socket.req_relaxed = True
    socket.req_correlate = True
    # Without a connection nothing is queued, so nothing is delivered after its caller gave up.
    socket.immediate = True
    socket.linger = 0
    socket.reconnect_ivl = 10  # milliseconds
    socket.connect(f"ipc://{path}")
    return socket


def try_once(socket: zmq.Socket[bytes], message: Message) -> tuple[int, list[Any] | None]:
    """Send a message and wait a moment; how many copies were sent, and results if there are any.

    When nothing is wrong that is all there is to do, and takes a tenth less of the CPU than
    `deliver`, which takes over from here.
    """
    if _remaining_s(message) < _TICK_S or not _send(socket, message):
        return 0, None
    # Not a blocking recv: pyzmq begins its time anew after each signal.
    zmq.zmq_poll([(socket, zmq.POLLIN)], int(_TICK_S * 1000))
    return 1, _receive(socket, message)


Delivery = Generator[Wait, None, list[Any]]


def deliver(socket: zmq.Socket[bytes], path: Path, message: Message, copies: int = 0) -> Delivery:
    """Send a message until it is answered or its deadline has passed; returns the results.

    Does not wait itself but says for what to wait, so that threads and coroutines share it.
    Whoever will wait no longer throws `ClientClosed` in; what comes out says what became of
    the message. The daemon does a message once however often it is sent.

    Args:
        copies: how many were sent already.

    Raises:
        Unavailable, ClientClosed: nothing was sent.
        CallTimeout: nothing was written, or nothing was sent to a daemon that is too busy.
        OutcomeUnknown: the message was sent, may have written, and was not answered.
    """
    resend_s = _FIRST_RESEND_S
    resend_at = time.monotonic() + resend_s if copies else 0.0
    try:
        while True:
            # Nothing is ready only when the connection is lost: with IMMEDIATE a REQ socket can
            # be sent to only while it is connected.
            if time.monotonic() >= resend_at or not ready_events(socket):
                if not _send(socket, message):
                    yield from _wait_and_send(socket, path, message, copies)
                copies += 1
                resend_at = time.monotonic() + resend_s
                resend_s *= 2
            if not (seconds := _remaining_s(message)):
                raise _not_answered(path, message, copies)
            yield Wait(zmq.POLLIN, min(seconds, _TICK_S))
            if (results := _receive(socket, message)) is not None:
                if copies > 1 and message.has_write and _is_about_one_copy(results):
                    # An earlier copy may have been done before the daemon was killed.
                    raise OutcomeUnknown(
                        "the message was sent again and then failed "
                        f"({results[0][1]}); {_LOOK_FIRST}"
                    )
                return results
    except ClientClosed as closed:
        raise _outcome(message, copies, closed) from None


def _is_about_one_copy(results: list[Any]) -> bool:
    # The journal was not asked, or could not be, what became of the copies before.
    return issubclass(error_class(results[0][0]), (DeadlinePassed, StorageError))


def _send(socket: zmq.Socket[bytes], message: Message) -> bool:
    try:
        socket.send(message.data, zmq.NOBLOCK)
    except zmq.Again:
        return False
    return True


def _wait_and_send(
    socket: zmq.Socket[bytes], path: Path, message: Message, copies: int
) -> Generator[Wait, None, None]:
    for attempt in itertools.count():
        if copies == 0 and attempt == 1:
            _raise_if_denied(path)
        if not (seconds := _remaining_s(message)):
            raise _not_answered(path, message, copies)
        yield Wait(zmq.POLLOUT, min(seconds, _TICK_S))
        if _send(socket, message):
            return


def _raise_if_denied(path: Path) -> None:
    if isinstance(denied := why_unavailable(path), PermissionDenied):
        raise denied  # waiting would not help


def _receive(socket: zmq.Socket[bytes], message: Message) -> list[Any] | None:
    try:
        sequence, results, _ = decode_reply(socket.recv(zmq.NOBLOCK))
    except zmq.Again:
        return None  # also when poll said otherwise: it may have seen a stale reply
    if sequence not in (message.sequence, 0):  # 0: the daemon could not read ours
        return None
    # The one result of a message that was refused as a whole is the result of all its calls.
    return results if len(results) == message.call_count else results[:1] * message.call_count


def ready_events(socket: zmq.Socket[bytes]) -> int:
    """`zmq.POLLIN` or `zmq.POLLOUT`, or both or 0, for what can be done without waiting."""
    return int(socket.getsockopt(zmq.EVENTS))


def _remaining_s(message: Message) -> float:
    return max(0.0, (message.deadline_ns - time.monotonic_ns()) / 1e9)


def _not_answered(path: Path, message: Message, copies: int) -> PackDbError:
    if copies:
        return _outcome(
            message, copies, CallTimeout(f"the daemon at {path} did not answer in time")
        )
    return why_unavailable(path) or CallTimeout(
        f"the daemon at {path} is too busy to take the message; nothing was sent"
    )


def _outcome(message: Message, copies: int, error: PackDbError) -> PackDbError:
    if copies and message.has_write:
        return OutcomeUnknown(f"{error}; {_LOOK_FIRST}")
    return error
