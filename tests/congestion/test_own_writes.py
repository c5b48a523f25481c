"""What a client was told that it has written is there for everybody, whatever goes on meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor

from pack_db_client import CreateAccountInput
from tests.support.daemon_process import DaemonProcess


def test_whoever_was_told_of_a_write_sees_it(daemon: DaemonProcess) -> None:
    stop = threading.Event()

    def write_and_read(number: int) -> None:
        with daemon.client() as writer, daemon.client() as reader:
            made = CreateAccountInput(email=f"{number}@example.com")
            account = writer.accounts.create_account(made)
            for written in range(1, 101):
                writer.tokens.top_up(account.id, 1)
                assert reader.tokens.get_balance(account.id).topup_remaining == written

    def read() -> None:
        with daemon.client() as reader:
            while not stop.is_set():
                reader.accounts.list_accounts()

    with ThreadPoolExecutor() as threads:
        reading = threads.submit(read)
        try:
            for writing in [threads.submit(write_and_read, number) for number in range(4)]:
                writing.result()
        finally:
            stop.set()
        reading.result()
