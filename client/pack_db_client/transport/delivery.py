import random
import time
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import msgspec
import zmq

from pack_db.errors import (
    CallTimeout,
    DeadlinePassed,
    OutcomeUnknown,
    PackDbError,
    PermissionDenied,
    StorageError,
    Unavailable,
    error_class,
)
from pack_db_client.protocol.replies import OK, code_of, decode_result
from pack_db_client.transport.connection import Connection
from pack_db_client.transport.message import Message
from pack_db_client.transport.unavailable import why_unavailable

_LOOK_FIRST = "the write may have been done or not, so look before you repeat it"
_TICK_S = 0.05  # how soon a lost connection is noticed
_TICK_MS, _TICK_NS = int(_TICK_S * 10**3), int(_TICK_S * 10**9)
_POLLIN = int(zmq.POLLIN)
# Between attempts to connect to a daemon that refuses.
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0


class Wait(NamedTuple):
    """Please wait until the socket is ready for `events`, at most `seconds`."""

    events: int  # zmq.POLLIN or zmq.POLLOUT
    seconds: float


def try_once(connection: Connection, message: Message) -> list[msgspec.Raw] | None:
    """Send a message and wait a moment; the results if there are any.

    When nothing is wrong that is all there is to do, and takes a tenth less of the CPU than
    `deliver`, which takes over from here.
    """
    if message.deadline_ns - message.made_ns < _TICK_NS or not connection.send(message):
        return None
    # Not a blocking recv: pyzmq begins its time anew after each signal.
    zmq.zmq_poll([(connection.socket, _POLLIN)], _TICK_MS)
    return connection.receive(message)


Delivery = Generator[Wait, None, list[msgspec.Raw]]


def deliver(connection: Connection, message: Message) -> Delivery:
    """Send a message until it is answered or its deadline has passed; returns the results.

    A copy is sent only when the connection was lost over which the last one went. A daemon that
    is slow is sent nothing twice: copies would only make it slower, and only the last one's
    answer is taken. The daemon does a message once however often it is sent.

    Does not wait itself but says for what to wait, so that threads and coroutines share it.

    Raises:
        Unavailable: nothing was sent.
        CallTimeout: nothing was written, or nothing was sent to a daemon that is too busy.
        OutcomeUnknown: the message was sent, may have written, and was not answered.
    """
    while True:
        was_lost = connection.was_lost()
        # Also of a connection that was lost: its daemon may have answered before it ended. With
        # ZMQ_IMMEDIATE, libzmq drops an answer if it learns of both at once; a copy asks again.
        if connection.copies and (results := connection.receive(message)) is not None:
            if connection.copies > 1 and message.has_write and _is_about_one_copy(results):
                # An earlier copy may have been done before the daemon was killed.
                _, why, _ = decode_result(results[0])
                raise OutcomeUnknown(
                    f"the message was sent again and then failed ({why}); {_LOOK_FIRST}"
                )
            return results
        if was_lost or not connection.copies:
            yield from _send(connection, message)
        elif not message.remaining_s():
            raise _not_answered(connection, message)
        yield Wait(zmq.POLLIN, min(message.remaining_s(), _TICK_S))


def outcome(connection: Connection, error: PackDbError, *, has_write: bool) -> PackDbError:
    """What becomes of the latest message if nobody waits for it any more because of `error`."""
    if connection.copies and has_write:
        return OutcomeUnknown(f"{error}; {_LOOK_FIRST}")
    return error


def nothing_sent(path: Path) -> PackDbError:
    """Why a message could not be sent in time."""
    return why_unavailable(path) or CallTimeout(
        f"the daemon at {path} did not take the message in time; nothing was sent"
    )


def _send(connection: Connection, message: Message) -> Generator[Wait, None, None]:
    refusals = 0
    has_looked = bool(connection.copies)
    connection.switch_on()
    while seconds := message.remaining_s():
        if connection.send(message):
            return
        yield Wait(zmq.POLLOUT, min(seconds, _TICK_S))
        if not has_looked:
            has_looked = True
            _raise_if_denied(connection.path)
        if connection.was_lost():
            # It was accepted and then closed, before it was of use.
            refusals += 1
            connection.switch_off()
            yield from _pause(message, min(_FIRST_PAUSE_S * 2**refusals, _LONGEST_PAUSE_S))
            connection.switch_on()
    if refusals and not connection.copies:
        connection.switch_off()
        raise why_unavailable(connection.path) or Unavailable(
            f"the daemon at {connection.path} closes new connections at once; its log says why, "
            "most likely that it has no room for more. Nothing was sent"
        )
    raise _not_answered(connection, message)


def _pause(message: Message, longest_s: float) -> Generator[Wait, None, None]:
    # Those who were refused together shall not come back together.
    ends = time.monotonic() + random.uniform(longest_s / 2, longest_s)  # noqa: S311  # no secret
    while (left_s := min(message.remaining_s(), ends - time.monotonic())) > 0:
        yield Wait(zmq.POLLOUT, left_s)


def _is_about_one_copy(results: list[msgspec.Raw]) -> bool:
    # The journal was not asked, or could not be, what became of the copies before.
    code = code_of(results[0])
    return code != OK and issubclass(error_class(str(code)), (DeadlinePassed, StorageError))


def _raise_if_denied(path: Path) -> None:
    if isinstance(denied := why_unavailable(path), PermissionDenied):
        raise denied  # waiting would not help


def _not_answered(connection: Connection, message: Message) -> PackDbError:
    if not connection.copies:
        return nothing_sent(connection.path)
    error = CallTimeout(f"the daemon at {connection.path} did not answer in time")
    return outcome(connection, error, has_write=message.has_write)
