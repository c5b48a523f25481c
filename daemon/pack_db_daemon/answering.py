from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Letter(NamedTuple):
    """A message, and the envelope that its reply goes back in."""

    envelope: list[bytes]  # the first frame names the connection
    data: bytes
    user_id: int  # numeric uid of the process that sent it


class Answering(ABC):
    """How messages that wait at the same time are worked on."""

    room: int
    """How many more messages may be handed over now."""

    finished_fds: Sequence[int] = ()
    """Readable when answers are ready that nobody has taken yet."""

    @abstractmethod
    def answer(self, letters: Sequence[Letter]) -> Iterator[tuple[list[bytes], bytes]]:
        """Take messages over, of different connections.

        Yields:
            Envelope and reply of those that are answered by now, of earlier ones too.
        """

    def finish(self) -> Iterator[tuple[list[bytes], bytes]]:
        """Finish what is in work, and yield the rest of the replies."""
        return iter(())
