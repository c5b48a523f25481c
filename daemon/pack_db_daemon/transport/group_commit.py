import os
from collections.abc import Iterable, Iterator, Sequence

from pack_db_daemon.dispatch.dispatcher import Dispatcher, Message
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.request_handler import IncomingRequest, RequestHandler

_WAITING = 8  # messages taken for each that is worked on, as long as a commit takes


class GroupCommit(RequestHandler):
    """Queries at once; what waits with writes in one commit, so one sync to the disk is for all.

    If others read, a thread commits, and they do not wait for it.

    Args:
        most: requests at a time.
    """

    def __init__(self, dispatcher: Dispatcher, queue: QueueStatistics, most: int) -> None:
        self._dispatcher = dispatcher
        self._queue = queue
        self._most = most * _WAITING
        self._taken = 0
        self._was_idle = True  # when it was asked last, there was nothing
        self._requests: list[IncomingRequest] = []  # those that wait,
        self._messages: list[Message] = []  # and what they are
        self._committing: list[IncomingRequest] = []  # those that a thread commits,
        self._started: tuple[Sequence[Message], Sequence[bytes]] = (), ()  # and their replies
        self._has_committed = False
        # The connections with something that waits or is committed, and of queries since then.
        self._writers: set[bytes] = set()
        self._readers: set[bytes] = set()
        self._wakeup_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.finished_fds = (self._wakeup_fd,)

    @property
    def free_slots(self) -> int:  # type: ignore[override]  # elsewhere it is a constant
        return 0 if self._has_committed else self._most - len(self._requests)

    @property
    def has_threads_at_work(self) -> bool:  # type: ignore[override]
        return bool(self._committing)

    def handle(self, request: IncomingRequest) -> bytes | None:
        self._taken += 1
        message = self._dispatcher.read(request.data, request.user_id)
        if isinstance(message, bytes):
            return message
        sender = request.envelope[0]
        if message.is_query and sender not in self._writers:
            self._readers.add(sender)
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
        if self._committing:
            return self._finish_commit() if self._has_committed else ()
        if not self._requests:
            return ()
        if self._readers.issubset(self._writers) or not self._start_commit():
            return self._commit()
        return ()

    def finish(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        if self._committing:
            yield from self._finish_commit()
        yield from self._commit()

    def _commit(self) -> Iterable[tuple[IncomingRequest, bytes]]:
        requests, self._requests = self._requests, []
        messages, self._messages = self._messages, []
        self._writers.clear()
        self._readers.clear()
        return zip(requests, self._dispatcher.answer_together(messages), strict=True)

    def _start_commit(self) -> bool:
        replies = self._dispatcher.start_together(self._messages, self._wake)
        count = len(replies)
        self._committing, self._requests = self._requests[:count], self._requests[count:]
        self._started, self._messages = (self._messages[:count], replies), self._messages[count:]
        self._readers.clear()
        return count > 0

    def _finish_commit(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        replies = self._dispatcher.finish_together(*self._started)
        yield from zip(self._committing, replies, strict=True)
        self._committing = []
        self._writers = {request.envelope[0] for request in self._requests}
        self._has_committed = False
        os.eventfd_read(self._wakeup_fd)
        if self._requests:
            yield from self.finished()

    def _wake(self) -> None:
        self._has_committed = True
        os.eventfd_write(self._wakeup_fd, 1)
