import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future


class InBackground:
    """Does a job in a thread of its own, so that whoever asks for it never waits.

    Args:
        job: returns whether there is more to do.
    """

    def __init__(self, job: Callable[[], bool]) -> None:
        self._job = job
        self._to_do: queue.SimpleQueue[Future[bool]] = queue.SimpleQueue()
        self._last: Future[bool] | None = None
        # No ThreadPoolExecutor: the process would not end as long as the job waits for a server
        # that does not answer.
        threading.Thread(target=self._work, name="background", daemon=True).start()

    def __call__(self) -> bool:
        """Begin anew if the last time has ended; returns or raises what came of that."""
        last = self._last
        if last is not None and not last.done():
            return False
        self._last = Future()
        self._to_do.put(self._last)
        return last is not None and last.result()

    def _work(self) -> None:
        while True:
            future = self._to_do.get()
            try:
                future.set_result(self._job())
            except Exception as exc:
                future.set_exception(exc)
