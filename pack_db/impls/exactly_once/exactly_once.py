import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pack_db.errors import DeadlinePassed, SequenceTooOld
from pack_db.interfaces.database import Database, Savepoint
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal

MOST_FAILED = 10_000
"""Clients whose last message failed and may still come again. To forget one of them would let a
copy be done that its client was told had failed; so one too many is told that this may be."""


class Once:
    """A message with writes while it is done."""

    def __init__(self, reply: bytes | None, savepoint: Savepoint | None = None) -> None:
        self.reply = reply
        """The one of an earlier copy; None if the message is new, until the block has set it."""
        self._savepoint = savepoint

    def roll_back(self) -> None:
        """Undo what was written for the message so far."""
        if self._savepoint is not None:
            self._savepoint.roll_back()


class _Failure(NamedTuple):
    """How the last message of a client failed of which the journal could not note it."""

    sequence: int
    deadline_ns: int
    reply: bytes


class ExactlyOnce:
    """Lets a message with writes be done once, however many copies of it arrive.

    Args:
        clock_ns: the clock of the deadlines.
    """

    def __init__(
        self,
        database: Database,
        journal: ReplyJournal,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._savepoint = database.savepoint()
        self._journal = journal
        self._clock_ns = clock_ns
        self._failed: dict[bytes, _Failure] = {}  # by client id, as the journal

    @contextmanager
    def once(self, message: JournaledMessage) -> Iterator[Once]:
        """What the block writes is committed with its reply, or as a part of the transaction
        around it, or not at all.

        Raises:
            StorageError: the database failed; if that is the answer, `give_up`.
            OutcomeUnknown: the same, but it may have been done.
            DeadlinePassed: the time was up before the commit; nothing was done.
            BadRequest: the journal refused the message.
        """
        if self._failed and (reply := self._given_up(message)) is not None:
            yield Once(reply)
            return
        with self._savepoint as savepoint:
            reply = self._journal.find(message)
            once = Once(reply, savepoint)
            yield once
            if reply is None and once.reply is not None:
                self._journal.record(message, once.reply)
                if self._clock_ns() > message.deadline_ns:
                    # Its client has given up, and may look at any time whether it was done.
                    raise DeadlinePassed(
                        "the message took until after its deadline; nothing was done"
                    )

    def give_up(self, client_id: bytes, sequence: int, deadline_ns: int, reply: bytes) -> bool:
        """Let a message have failed, for all its copies; False if one may still be done.

        When the database failed the journal could not note it. All the same, a copy that still
        waits in a queue must not be done after its client was told that it failed.
        """
        former = self._failed.get(client_id)
        if former is None and len(self._failed) >= MOST_FAILED:
            return False
        if former is not None:
            if former.sequence > sequence:
                return True  # a copy of an older message is refused
            deadline_ns = max(deadline_ns, former.deadline_ns)
        self._failed[client_id] = _Failure(sequence, deadline_ns, reply)
        return True

    def forget_expired(self) -> bool:
        """Forget messages no copy of which can come any more; True if there may be others."""
        now_ns = self._clock_ns()
        for client_id, failure in list(self._failed.items()):
            if failure.deadline_ns < now_ns:
                self._failed.pop(client_id, None)
        return self._journal.prune()

    def _given_up(self, message: JournaledMessage) -> bytes | None:
        failure = self._failed.get(message.client_id)
        if failure is None or failure.sequence < message.sequence:
            return None
        if failure.sequence > message.sequence:
            raise SequenceTooOld(
                f"message {message.sequence} came after message {failure.sequence} of the same "
                "client; count up by one for each message"
            )
        return failure.reply
