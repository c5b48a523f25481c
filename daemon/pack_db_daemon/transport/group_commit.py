from collections.abc import Iterator

from pack_db_daemon.dispatch.dispatcher import Dispatcher, Message
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.request_handler import IncomingRequest, RequestHandler


class GroupCommit(RequestHandler):
    """Queries at once; what waits with writes in one commit, so one sync to the disk is for all.

    Args:
        most: requests at a time.
    """

    def __init__(self, dispatcher: Dispatcher, queue: QueueStatistics, most: int) -> None:
        self.free_slots = most
        self._dispatcher = dispatcher
        self._queue = queue
        self._taken = 0
        self._was_idle = True  # when it was asked last, there was nothing
        self._waiting: list[tuple[IncomingRequest, Message]] = []
        self._writers: set[bytes] = set()  # the connections that they came over

    def handle(self, request: IncomingRequest) -> bytes | None:
        self._taken += 1
        message = self._dispatcher.read(request.data, request.user_id)
        if isinstance(message, bytes):
            return message
        sender = request.envelope[0]
        if message.is_query and sender not in self._writers:
            return self._dispatcher.answer(message)
        self._writers.add(sender)
        self._waiting.append((request, message))
        return None

    def finished(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        self._queue.messages += self._taken
        self._queue.waited += max(0, self._taken - self._was_idle)
        self._was_idle = not self._taken
        self._taken = 0
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._writers.clear()
            replies = self._dispatcher.answer_together([message for _, message in waiting])
            for (request, _), reply in zip(waiting, replies, strict=True):
                yield request, reply
