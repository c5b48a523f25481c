"""A client that behaves, beside a fault: it reads one balance every 5 ms and takes no failure.

As a program, `python good_client.py SOCKET ACCOUNT_ID`, it writes a byte for each right answer
and ends with its stdin, or with a traceback.
"""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pack_db_client import CreateAccountInput, PackDb

_PAUSE_S = 0.005


class GoodClient:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def wait_for_answers(self, count: int, patience_s: float = 30.0) -> None:
        """Wait until it has got this many right answers from now on."""
        assert self._process.stdout is not None
        answers = self._process.stdout.fileno()
        give_up = time.monotonic() + patience_s
        while select.select([answers], [], [], 0)[0] and os.read(answers, 65536):
            pass  # of before
        while count > 0:
            assert select.select([answers], [], [], max(0, give_up - time.monotonic()))[0]
            got = len(os.read(answers, 65536))
            assert got, "the good client has failed"
            count -= got


@contextmanager
def good_client(path: Path) -> Iterator[GoodClient]:
    """Runs one in a process of its own as long as the block; no call of it may have failed."""
    with PackDb(path) as db:
        account = db.accounts.create_account(
            CreateAccountInput(email=f"good-{time.monotonic_ns()}@example.com")
        )
    with subprocess.Popen(
        [sys.executable, __file__, str(path), account.id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            client = GoodClient(process)
            client.wait_for_answers(1)
            yield client
            client.wait_for_answers(5)
        finally:
            _, failure = process.communicate()
        assert (process.returncode, failure.decode()) == (0, "")


def _call_until_stdin_ends(path: str, account_id: str) -> None:
    with PackDb(path) as db:
        right = db.tokens.get_balance(account_id)
        while not select.select([0], [], [], _PAUSE_S)[0]:
            balance = db.tokens.get_balance(account_id)
            if balance != right:
                raise AssertionError(f"{balance} instead of {right}")
            os.write(1, b".")


if __name__ == "__main__":
    _call_until_stdin_ends(*sys.argv[1:])
