import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from pack_db_daemon.dispatch.dispatcher import Dispatcher, Message
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.request_handler import IncomingRequest, RequestHandler

# So many times as many may wait meanwhile: when all slots are taken, those who read wait, too.
_MOST_DURING_COMMIT = 8


class _Group(NamedTuple):
    """Requests with writes that a thread commits."""

    requests: Sequence[IncomingRequest]
    messages: Sequence[Message]
    replies: Sequence[bytes]


class GroupCommit(RequestHandler):
    """Queries at once; what waits with writes in one commit, so one sync to the disk is for all.

    If others read, a thread commits, so that they do not wait for the disk.

    Args:
        most: requests at a time.
    """

    def __init__(self, dispatcher: Dispatcher, queue: QueueStatistics, most: int) -> None:
        self.free_slots = self._most = most
        self._dispatcher = dispatcher
        self._queue = queue
        self._taken = 0
        self._was_idle = True  # when it was asked last, there was nothing
        self._requests: list[IncomingRequest] = []  # those that wait,
        self._messages: list[Message] = []  # and what they are
        self._group: _Group | None = None
        # The connections that a write came over which is not answered yet, and those of queries
        # since a commit began.
        self._writers: set[bytes] = set()
        self._readers: set[bytes] = set()
        self._wakeup_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.finished_fds = (self._wakeup_fd,)

    def handle(self, request: IncomingRequest) -> bytes | None:
        self._taken += 1
        self._queue.messages += 1
        message = self._dispatcher.read(request.data, request.user_id)
        if isinstance(message, bytes):
            return message
        sender = request.envelope[0]
        if message.is_query and sender not in self._writers:
            self._readers.add(sender)
            return self._dispatcher.answer(message)
        self.free_slots -= 1
        self._writers.add(sender)
        self._requests.append(request)
        self._messages.append(message)
        return None

    def finished(self) -> Iterable[tuple[IncomingRequest, bytes]]:
        self._queue.waited += max(0, self._taken - self._was_idle)
        self._was_idle = not self._taken
        self._taken = 0
        if self._group is not None:
            return self._finish(self._group) if self.has_finished else ()
        if not self._requests or (not self._readers <= self._writers and self._start()):
            return ()
        requests, self._requests = self._requests, []
        messages, self._messages = self._messages, []
        self.free_slots = self._most
        self._writers.clear()
        self._readers.clear()
        if len(messages) == 1:
            return ((requests[0], self._dispatcher.answer(messages[0])),)
        return zip(requests, self._dispatcher.answer_together(messages), strict=True)

    def finish(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        if self._group is not None:
            yield from self._finish(self._group)
        yield from zip(
            self._requests, self._dispatcher.answer_together(self._messages), strict=True
        )

    def _start(self) -> bool:
        """Let the thread commit some of what waits; False if all has to be done otherwise."""
        replies = self._dispatcher.start_together(self._messages, self._has_committed)
        if not replies:
            return False
        count = len(replies)
        self._group = _Group(self._requests[:count], self._messages[:count], replies)
        del self._requests[:count], self._messages[:count]
        self.free_slots = _MOST_DURING_COMMIT * self._most
        self._readers.clear()
        self.has_threads_at_work = True
        return True

    def _has_committed(self) -> None:
        os.eventfd_write(self._wakeup_fd, 1)
        self.has_finished = True

    def _finish(self, group: _Group) -> Iterator[tuple[IncomingRequest, bytes]]:
        replies = self._dispatcher.finish_together(group.messages, group.replies)
        yield from zip(group.requests, replies, strict=True)
        with suppress(BlockingIOError):  # at the end of the daemon nobody waits for it
            os.eventfd_read(self._wakeup_fd)
        self._group = None
        self.has_finished = self.has_threads_at_work = False
        self.free_slots = max(0, self._most - len(self._requests))
        self._writers = {request.envelope[0] for request in self._requests}
