from abc import ABC, abstractmethod
from typing import NamedTuple


class JournaledMessage(NamedTuple):
    """What tells one message with a write from all others."""

    client_id: bytes  # 16 random bytes, new for every channel of every process
    user_id: int  # numeric uid of the process that opened the connection
    sequence: int
    digest: bytes  # hash of the whole message
    deadline_ns: int  # CLOCK_MONOTONIC


class ReplyJournal(ABC):
    """Remembers each client's last message with a write, and its reply.

    Finding and recording happen in the transaction of the writes themselves, so a message is
    remembered if and only if what it wrote is there.
    """

    @abstractmethod
    def find(self, message: JournaledMessage) -> bytes | None:
        """What was replied when the message was done before; None if it is new.

        Raises:
            SequenceReused: the sequence was used by a message with other content.
            SequenceTooOld: the client has had a newer write done.
            ForeignClientId: the client id belongs to another user.
            ReplyNotKept: it was done before, and its reply was too large to be remembered.
        """

    @abstractmethod
    def record(self, message: JournaledMessage, reply: bytes) -> None:
        """Remember the reply to a new message, or if there is no room for it, that it was done.

        Raises:
            SequenceTooOld, ForeignClientId: as `find`.
            StorageConflict: another daemon has done this message in the meantime.
        """

    @abstractmethod
    def prune(self) -> bool:
        """Forget some of the clients whose last deadline has passed, as no retry can come any
        more; True if there may be others left to forget."""
