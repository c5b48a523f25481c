from collections.abc import Iterable

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
        self._requests: list[IncomingRequest] = []  # those that wait,
        self._messages: list[Message] = []  # and what they are
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
        self._requests.append(request)
        self._messages.append(message)
        return None

    def finished(self) -> Iterable[tuple[IncomingRequest, bytes]]:
        self._queue.messages += self._taken
        self._queue.waited += max(0, self._taken - self._was_idle)
        self._was_idle = not self._taken
        self._taken = 0
        if not self._requests:
            return ()
        requests, self._requests = self._requests, []
        messages, self._messages = self._messages, []
        self._writers.clear()
        if len(messages) == 1:
            return ((requests[0], self._dispatcher.answer(messages[0])),)
        return zip(requests, self._dispatcher.answer_together(messages), strict=True)
