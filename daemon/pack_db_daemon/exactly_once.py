import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from pack_db.errors import DeadlinePassed, OutcomeUnknown, PackDbError, StorageError
from pack_db.interfaces.database import Database
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal
from pack_db_daemon.retries import Retries

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
        self._failed: dict[tuple[bytes, int], tuple[JournaledMessage, PackDbError]] = {}

    def run(self, message: JournaledMessage, work: Work) -> bytes:
        """The reply that `work` makes, or the one that it made for an earlier copy.

        Raises:
            StorageError: the database failed; no copy of this message is done any more.
            OutcomeUnknown: the same, but it may have been done.
            DeadlinePassed: the time was up before the commit; nothing was done.
            BadRequest: the journal refused the message.
        """
        self._raise_if_failed(message)
        try:
            return self._retries.run(
                lambda: self._attempt(message, work, self._database.transaction),
                message.deadline_ns,
            )
        except (StorageError, OutcomeUnknown) as error:
            # The journal could not note this answer. It is final all the same: a copy that
            # still waits in a queue must not be done after its client was told it failed.
            self._failed[message.client_id, message.sequence] = (message, error)
            raise

    def run_inside(self, message: JournaledMessage, work: Work) -> bytes:
        """As `run`, inside a transaction that other messages share.

        Raises:
            StorageError: the whole transaction failed, so nothing is final yet.
            DeadlinePassed, BadRequest: as `run`.
        """
        self._raise_if_failed(message)
        return self._attempt(message, work, self._database.savepoint)

    def forget_expired(self) -> bool:
        """Forget messages no copy of which can come any more; True if there may be others."""
        now_ns = self._clock_ns()
        for key, (message, _) in list(self._failed.items()):
            if message.deadline_ns < now_ns:
                self._failed.pop(key, None)
        return self._journal.prune()

    def _raise_if_failed(self, message: JournaledMessage) -> None:
        failed = self._failed.get((message.client_id, message.sequence))
        if failed is not None:
            raise failed[1].with_traceback(None)

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
