import time
from collections.abc import Callable

from pack_db.errors import StorageError
from pack_db.interfaces.database import Database
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal


class ExactlyOnce:
    """Does a message with writes once, however many copies of it arrive, and in one commit.

    Args:
        clock_ns: the clock of the deadlines.
    """

    def __init__(
        self,
        database: Database,
        journal: ReplyJournal,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._database = database
        self._journal = journal
        self._clock_ns = clock_ns
        self._failed: dict[bytes, tuple[JournaledMessage, StorageError]] = {}

    def run(self, message: JournaledMessage, work: Callable[[], bytes]) -> bytes:
        """The reply that `work` makes, or the one that it made for an earlier copy.

        Raises:
            StorageError: the database failed; no copy of this message is done any more.
            BadRequest: the journal refused the message.
        """
        failed = self._failed.get(message.client_id)
        if failed is not None and message.sequence <= failed[0].sequence:
            raise failed[1].with_traceback(None)
        try:
            with self._database.transaction():
                if (recorded := self._journal.claim(message)) is not None:
                    return recorded
                reply = work()
                self._journal.record(message, reply)
        except StorageError as error:
            # The journal could not note this answer. It is final all the same: a copy that
            # still waits in a queue must not be done after its client was told it failed.
            self._failed[message.client_id] = (message, error)
            raise
        return reply

    def forget_expired(self) -> bool:
        """Forget messages no copy of which can come any more; True if there may be others."""
        now_ns = self._clock_ns()
        self._failed = {
            client_id: failed
            for client_id, failed in self._failed.items()
            if failed[0].deadline_ns >= now_ns
        }
        return self._journal.prune()
