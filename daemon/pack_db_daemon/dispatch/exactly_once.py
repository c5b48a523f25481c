import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from pack_db.errors import (
    DeadlinePassed,
    OutcomeUnknown,
    PackDbError,
    SequenceTooOld,
    StorageError,
)
from pack_db.interfaces.database import Database
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal
from pack_db_client.protocol.messages import encode_reply
from pack_db_daemon.dispatch.failures import failure_of
from pack_db_daemon.dispatch.retries import Retries

MOST_FAILED = 10_000
"""Clients whose last message failed and may still come again. To forget one of them would let a
copy be done that its client was told had failed; so one too many is told that this may be."""

Work = Callable[[], bytes]
Block = Callable[[], AbstractContextManager[None]]


class Undone(Exception):
    """Raised by the work of a message: nothing that it wrote shall be.

    Args:
        instead: the work to do in its place.
    """

    def __init__(self, instead: Work) -> None:
        super().__init__(instead)
        self.instead = instead


class _Failure(NamedTuple):
    """How the last message of a client failed of which the journal could not note it."""

    sequence: int
    deadline_ns: int
    result: bytes


class ExactlyOnce:
    """Does a message with writes once, however many copies of it arrive, and in one commit.

    Args:
        clock_ns: the clock of the deadlines.
    """

    def __init__(
        self,
        database: Database,
        journal: ReplyJournal,
        retries: Retries,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._database = database
        self._journal = journal
        self._retries = retries
        self._clock_ns = clock_ns
        self._failed: dict[bytes, _Failure] = {}  # by client id, as the journal

    def run(self, message: JournaledMessage, work: Work) -> bytes:
        """The reply that `work` makes, or the one that it made for an earlier copy.

        Raises:
            StorageError: the database failed; no copy of this message is done any more.
            OutcomeUnknown: the same, but it may have been done.
            DeadlinePassed: the time was up before the commit; nothing was done.
            BadRequest: the journal refused the message.
        """
        if (failed := self._failed_before(message)) is not None:
            return failed
        try:
            return self._retries.run(
                lambda: self._attempt(message, work, self._database.transaction),
                message.deadline_ns,
            )
        except (StorageError, OutcomeUnknown) as error:
            # The journal could not note this answer. It is final all the same: a copy that
            # still waits in a queue must not be done after its client was told it failed.
            if not self._remember_failed(message, error):
                raise OutcomeUnknown(
                    f"the database failed ({error}), for so many clients that a copy of the "
                    "message may still be done"
                ) from error
            raise

    def run_inside(self, message: JournaledMessage, work: Work) -> bytes:
        """As `run`, inside a transaction that other messages share.

        Raises:
            StorageError: the whole transaction failed, so nothing is final yet.
            DeadlinePassed, BadRequest: as `run`.
        """
        if (failed := self._failed_before(message)) is not None:
            return failed
        return self._attempt(message, work, self._database.savepoint)

    def forget_expired(self) -> bool:
        """Forget messages no copy of which can come any more; True if there may be others."""
        now_ns = self._clock_ns()
        for client_id, failure in list(self._failed.items()):
            if failure.deadline_ns < now_ns:
                self._failed.pop(client_id, None)
        return self._journal.prune()

    def _remember_failed(self, message: JournaledMessage, error: PackDbError) -> bool:
        former = self._failed.get(message.client_id)
        if former is None and len(self._failed) >= MOST_FAILED:
            return False
        deadline_ns = message.deadline_ns
        if former is not None:
            if former.sequence > message.sequence:
                return True  # a copy of an older message is refused
            deadline_ns = max(deadline_ns, former.deadline_ns)
        result = failure_of(error, "the database failed").result
        self._failed[message.client_id] = _Failure(message.sequence, deadline_ns, result)
        return True

    def _failed_before(self, message: JournaledMessage) -> bytes | None:
        failure = self._failed.get(message.client_id)
        if failure is None or failure.sequence < message.sequence:
            return None
        if failure.sequence > message.sequence:
            raise SequenceTooOld(
                f"message {message.sequence} came after message {failure.sequence} of the same "
                "client; count up by one for each message"
            )
        return encode_reply(message.sequence, [failure.result], self._clock_ns())

    def _attempt(self, message: JournaledMessage, work: Work, block: Block) -> bytes:
        while True:
            try:
                with block():
                    return self._do_if_new(message, work)
            except Undone as undone:
                work = undone.instead

    def _do_if_new(self, message: JournaledMessage, work: Work) -> bytes:
        recorded = self._journal.find(message)
        if recorded is not None:
            return recorded
        reply = work()
        self._journal.record(message, reply)
        if self._clock_ns() > message.deadline_ns:
            # Its client has given up, and may look at any time whether it was done.
            raise DeadlinePassed("the message took until after its deadline; nothing was done")
        return reply
