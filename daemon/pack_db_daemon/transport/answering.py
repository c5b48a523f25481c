from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import zmq


class Letter(NamedTuple):
    """A message, and what is known of where it came from."""

    data: bytes
    user_id: int  # numeric uid of the process that sent it
    address: str  # libzmq's `Peer-Address`
    fd: int  # of the connection
    received_ns: int  # CLOCK_MONOTONIC
    socket: "zmq.Socket[bytes]"  # its reply goes nowhere if that is closed
    envelope: Sequence[bytes] = ()  # what its reply goes back in; the first names the connection


class Answering(ABC):
    """How messages that wait at the same time are worked on."""

    room: int
    """How many more messages may be handed over now."""

    finished_fds: Sequence[int] = ()
    """Readable when answers are ready that nobody has taken yet."""

    @abstractmethod
    def answer(self, letters: Sequence[Letter]) -> Iterator[tuple[Letter, bytes]]:
        """Take messages over, of different connections.

        Yields:
            Those that are answered by now, of earlier ones too, with their replies.
        """

    def finish(self) -> Iterator[tuple[Letter, bytes]]:
        """Finish what is in work, and yield the rest of the replies."""
        return iter(())
