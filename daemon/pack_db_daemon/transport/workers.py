import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.answering import Answering, Letter

_WAITING = 8  # messages taken for each worker; the rest waits where libzmq shares turns fairly
_FINISH_S = 5.0


class Workers(Answering):
    """In threads, many at a time: for a database that is behind a network.

    What comes over one connection is answered in the order in which it came.
    """

    def __init__(
        self, dispatcher: Dispatcher, queue_statistics: QueueStatistics, count: int
    ) -> None:
        self._dispatcher = dispatcher
        self._queue_statistics = queue_statistics
        self._count = count
        self._most = count * _WAITING
        self._taken = 0
        self._later: dict[bytes, deque[Letter]] = {}  # of the connections that have one in work
        self._to_do: queue.SimpleQueue[Letter] = queue.SimpleQueue()
        self._done: deque[tuple[Letter, bytes]] = deque()
        self._wakeup_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.finished_fds = (self._wakeup_fd,)
        for number in range(count):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()

    @property
    def room(self) -> int:  # type: ignore[override]  # elsewhere it is a constant
        return self._most - self._taken

    def answer(self, letters: Sequence[Letter]) -> Iterator[tuple[Letter, bytes]]:
        for letter in letters:
            self._queue_statistics.record(1, waited=self._taken >= self._count)
            self._taken += 1
            if (later := self._later.get(letter.envelope[0])) is not None:
                later.append(letter)
            else:
                self._later[letter.envelope[0]] = deque()
                self._to_do.put(letter)
        return self._answered()

    def finish(self) -> Iterator[tuple[Letter, bytes]]:
        give_up = time.monotonic() + _FINISH_S
        while self._taken and time.monotonic() < give_up:
            yield from self._answered()
            time.sleep(0.001)

    def _answered(self) -> Iterator[tuple[Letter, bytes]]:
        try:
            os.eventfd_read(self._wakeup_fd)
        except BlockingIOError:
            return
        while self._done:
            letter, reply = self._done.popleft()
            self._taken -= 1
            if later := self._later[letter.envelope[0]]:
                self._to_do.put(later.popleft())
            else:
                del self._later[letter.envelope[0]]
            yield letter, reply

    def _work(self) -> None:
        while True:
            letter = self._to_do.get()
            reply = self._dispatcher.dispatch(letter.data, letter.user_id)
            self._done.append((letter, reply))
            os.eventfd_write(self._wakeup_fd, 1)
