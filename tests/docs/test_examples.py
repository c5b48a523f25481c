import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput, PackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def metering_port(daemon: DaemonProcess) -> Iterator[int]:
    server = subprocess.Popen(
        [sys.executable, EXAMPLES / "metering_server.py", "0"],
        env=daemon.environment,
        cwd=daemon.directory,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdout is not None
        yield int(server.stdout.readline().split()[-1])
        server.kill()


@contextmanager
def connection(port: int) -> Iterator["Conversation"]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connected:
        yield Conversation(connected)


class Conversation:
    def __init__(self, connected: socket.socket) -> None:
        self._file = connected.makefile("rw")

    def ask(self, line: str) -> str:
        self._file.write(f"{line}\n")
        self._file.flush()
        return self._file.readline().rstrip()


def bill(daemon: DaemonProcess, payments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, EXAMPLES / "billing.py"],
        input=payments,
        env=daemon.environment,
        cwd=daemon.directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def test_a_metering_server_and_a_billing_job_share_the_accounts(
    daemon: DaemonProcess, db: PackDb, metering_port: int
) -> None:
    account = db.accounts.create_account(
        CreateAccountInput(email="ada@example.com", token_remaining=10)
    )
    with connection(metering_port) as user:
        assert user.ask(account.api_key) == "welcome ada@example.com"
        assert user.ask("what time is it") == "you asked: what time is it (4 tokens left)"

        billed = bill(daemon, "ada@example.com,100\nnobody@example.com,5\n")

        assert billed.returncode == 1
        assert "ada@example.com: 104 tokens" in billed.stdout
        assert re.search("nobody@example.com: no account", billed.stdout)
        assert user.ask("and now") == "you asked: and now (100 tokens left)"
    assert db.tokens.get_balance(account.id).total == 100


def test_a_user_without_tokens_is_asked_to_top_up(db: PackDb, metering_port: int) -> None:
    account = db.accounts.create_account(
        CreateAccountInput(email="ada@example.com", token_remaining=1)
    )
    with connection(metering_port) as user:
        user.ask(account.api_key)
        assert user.ask("hello") == "only 1 tokens left, please top up"


def test_a_stranger_is_turned_away(metering_port: int) -> None:
    with connection(metering_port) as user:
        assert user.ask("rs_" + 32 * "0") == "who are you?"
