from collections.abc import Iterator, Sequence

from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.answering import Answering, Letter


class GroupCommit(Answering):
    """One after the other, and what they write in one commit: so one sync to the disk is for all.

    Args:
        most: messages at a time.
    """

    def __init__(self, dispatcher: Dispatcher, queue: QueueStatistics, most: int) -> None:
        self.room = most
        self._dispatcher = dispatcher
        self._queue = queue
        self._was_idle = True  # when it was asked last, there was nothing

    def answer(self, letters: Sequence[Letter]) -> Iterator[tuple[Letter, bytes]]:
        if letters:
            self._queue.record(len(letters), waited=len(letters) - self._was_idle)
        self._was_idle = not letters
        messages = [(letter.data, letter.user_id) for letter in letters]
        for index, reply in self._dispatcher.dispatch_together(messages):
            yield letters[index], reply
