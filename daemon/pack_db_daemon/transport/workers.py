import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator

from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.request_handler import IncomingRequest, RequestHandler

_WAITING = 8  # messages taken for each worker; the rest waits where libzmq shares turns fairly
_FINISH_S = 5.0


class Workers(RequestHandler):
    """In threads, many at a time: for a database that is behind a network.

    What comes over one connection is answered in the order in which it came.
    """

    has_threads_at_work = True

    def __init__(
        self, dispatcher: Dispatcher, queue_statistics: QueueStatistics, count: int
    ) -> None:
        self._dispatcher = dispatcher
        self._queue_statistics = queue_statistics
        self._count = count
        self._most = count * _WAITING
        self._taken = 0
        self._later: dict[
            bytes, deque[IncomingRequest]
        ] = {}  # of the connections that have one in work
        self._to_do: queue.SimpleQueue[IncomingRequest] = queue.SimpleQueue()
        self._done: deque[tuple[IncomingRequest, bytes]] = deque()
        self._wakeup_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.finished_fds = (self._wakeup_fd,)
        for number in range(count):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    @property
    def free_slots(self) -> int:  # type: ignore[override]  # elsewhere it is a constant
        return self._most - self._taken

    def handle(self, request: IncomingRequest) -> None:
        self._queue_statistics.messages += 1
        self._queue_statistics.waited += self._taken >= self._count
        self._taken += 1
        if (later := self._later.get(request.envelope[0])) is not None:
            later.append(request)
        else:
            self._later[request.envelope[0]] = deque()
            self._to_do.put(request)

    def finished(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        try:
            os.eventfd_read(self._wakeup_fd)
        except BlockingIOError:
            return
        while self._done:
            request, reply = self._done.popleft()
            self._taken -= 1
            if later := self._later[request.envelope[0]]:
                self._to_do.put(later.popleft())
            else:
                del self._later[request.envelope[0]]
            yield request, reply

    def finish(self) -> Iterator[tuple[IncomingRequest, bytes]]:
        give_up = time.monotonic() + _FINISH_S
        while self._taken and time.monotonic() < give_up:
            yield from self.finished()
            time.sleep(0.001)

    def _work(self) -> None:
        while True:
            request = self._to_do.get()
            reply = self._dispatcher.dispatch(request.data, request.user_id)
            self._done.append((request, reply))
            os.eventfd_write(self._wakeup_fd, 1)
