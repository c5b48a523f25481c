import os
import pickle
import select
import signal
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

import pytest

T = TypeVar("T")

_PATIENCE_S = 30.0
_NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# Python 3.12 and later warn that a fork copies locks which other threads hold. That a client
# works in such a child is what these tests are about.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


class ForkedChild(Generic[T]):
    """A fork of this process that calls `function` and ends."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                outcome = (True, function())
            except BaseException:
                outcome = (False, traceback.format_exc())  # type: ignore[assignment]
            os.write(writer, pickle.dumps(outcome))
            os._exit(0)
        os.close(writer)

    def result(self) -> T:
        """What `function` returned.

        Raises:
            RuntimeError: it raised, or did not end in time.
        """
        if not select.select([self._reader], [], [], _PATIENCE_S)[0]:
            os.kill(self._pid, signal.SIGKILL)
        with os.fdopen(self._reader, "rb") as pipe:
            data = pipe.read()
        os.waitpid(self._pid, 0)
        if not data:
            raise RuntimeError("the child ended without a result")
        succeeded, value = pickle.loads(data)
        if not succeeded:
            raise RuntimeError(value)
        result: T = value
        return result


def as_nobody(function: Callable[[], T]) -> T:
    """Call `function` in a child process of another user."""

    def call() -> T:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        return function()

    return ForkedChild(call).result()
