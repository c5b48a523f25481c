from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import zmq


class IncomingRequest(NamedTuple):
    """A request, and what is known of where it came from."""

    data: bytes
    user_id: int  # numeric uid of the process that sent it
    address: str  # libzmq's `Peer-Address`
    fd: int  # of the connection
    received_ns: int  # CLOCK_MONOTONIC
    socket: "zmq.Socket[bytes]"  # its reply goes nowhere if that is closed
    envelope: Sequence[bytes] = ()  # what its reply goes back in; the first names the connection


class RequestHandler(ABC):
    """Has requests answered that wait at the same time."""

    free_slots: int
    """How many more requests may be handed over before `finished` is asked."""

    finished_fds: Sequence[int] = ()
    """Readable when replies are ready that nobody has taken yet."""

    has_finished: bool = False
    """Whether `finished` is to be asked before more is handed over."""

    has_threads_at_work: bool = False

    @abstractmethod
    def handle(self, request: IncomingRequest) -> bytes | None:
        """Take a request over; its reply, if there is one at once."""

    @abstractmethod
    def finished(self) -> Iterable[tuple[IncomingRequest, bytes]]:
        """Requests that are answered by now, with their replies; asked when no more wait."""

    def finish(self) -> Iterable[tuple[IncomingRequest, bytes]]:
        """Finish what is in work, and yield the rest of the replies."""
        return ()
