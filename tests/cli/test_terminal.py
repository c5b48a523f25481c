"""The command line at a terminal: a real one, as far as the program can tell."""

import os
import pty
import pwd
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import click
import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_client import PackDb, PackDbError
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.pack_db_command import PACK_DB


class Terminal:
    """Runs `pack-db` on a terminal of 80 columns."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._daemon = daemon
        self._screen, self._keyboard = pty.openpty()

    @contextmanager
    def running(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        with subprocess.Popen(
            [*PACK_DB, *arguments],
            env=self._daemon.environment | {"TERM": "xterm", "COLUMNS": "80"},
            cwd=self._daemon.directory,
            stdin=self._keyboard,
            stdout=self._keyboard,
            stderr=self._keyboard,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def read_until(self, text: str) -> str:
        shown = ""
        while text not in shown:
            ready, _, _ = select.select([self._screen], [], [], PATIENCE_S)
            assert ready, f"{text!r} does not appear after {shown!r}"
            shown += os.read(self._screen, 4096).decode()
        return shown

    def read_rest(self) -> str:
        """What is on the screen and was not read."""
        shown = b""
        while select.select([self._screen], [], [], 0)[0]:
            shown += os.read(self._screen, 4096)
        return shown.decode()

    def close(self) -> None:
        os.close(self._screen)
        os.close(self._keyboard)


def interrupted(process: "subprocess.Popen[bytes]") -> int:
    """Ends it by Ctrl-C; its exit code."""
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        process.send_signal(signal.SIGINT)
        # Python's input() misses a signal that comes right before it begins to wait.
        with suppress(subprocess.TimeoutExpired):
            return process.wait(PATIENCE_S / 10)
    raise AssertionError("it goes on")


@pytest.fixture
def terminal(daemon: DaemonProcess) -> Iterator[Terminal]:
    terminal = Terminal(daemon)
    yield terminal
    terminal.close()


@pytest.mark.parametrize(("answer", "status", "left"), [("y", 0, 0), ("n", 1, 1), ("", 1, 1)])
def test_delete_asks_first(
    terminal: Terminal, db: PackDb, answer: str, status: int, left: int
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    with terminal.running("accounts", "delete", "a@example.com") as process:
        terminal.read_until(f"Delete account {account.id} (a@example.com) and its ledger? [y/N]")
        terminal.type(f"{answer}\n")
        assert process.wait(PATIENCE_S) == status
    assert len(db.accounts.list_accounts()) == left


def test_an_interrupt_at_the_question_deletes_nothing(terminal: Terminal, db: PackDb) -> None:
    db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    with terminal.running("accounts", "delete", "a@example.com") as process:
        terminal.read_until("[y/N]")
        assert interrupted(process) == 130
    assert len(db.accounts.list_accounts()) == 1


def test_a_long_address_is_shortened_and_an_id_never(terminal: Terminal, db: PackDb) -> None:
    email = "a.rather.long.address.of.somebody@department.example.com"
    account = db.accounts.create_account(CreateAccountInput(email=email))
    with terminal.running("accounts", "list") as process:
        shown = terminal.read_until("  0\r\n")
        assert process.wait(PATIENCE_S) == 0
    # What is behind it has its place, too.
    assert f"{account.id}  {email[:19]}…  Free    1000       0" in click.unstyle(shown)
    assert "\x1b[1mid" in shown  # a terminal gets its header in bold


def test_a_table_fits_and_loses_its_last_columns_first(terminal: Terminal, db: PackDb) -> None:
    created = db.accounts.create_account(CreateAccountInput(email="somebody@example.com"))
    with terminal.running("accounts", "list") as process:
        shown = terminal.read_until("  0\r\n")
        assert process.wait(PATIENCE_S) == 0
    header, row = click.unstyle(shown).splitlines()[:2]
    assert header.split() == ["id", "email", "plan", "tokens", "top-up"]
    assert row.split() == [created.id, created.email, "Free", "1000", "0"]
    assert max(len(header), len(row)) <= 80


def test_the_status_of_a_busy_daemon_fits_a_screen(
    terminal: Terminal, daemon: DaemonProcess, db: PackDb
) -> None:
    account = db.accounts.create_account(CreateAccountInput(email="a@example.com"))
    for call in (
        *(db.accounts.list_accounts, db.tokens.list_ledger, db.ping, db.status),
        *(lambda: db.accounts.get_account(account.id), lambda: db.tokens.top_up(account.id, 1)),
        *(lambda: db.tokens.get_balance(account.id), lambda: db.tokens.list_entries(account.id)),
        *(lambda: db.tokens.consume_tokens(account.id, 1), lambda: db.tokens.renew_plan("none")),
        *(lambda: db.accounts.delete_account("none"), lambda: db.accounts.rotate_api_key("none")),
    ):
        with suppress(PackDbError):
            call()
    with ExitStack() as clients:
        for _ in range(9):
            clients.enter_context(daemon.client()).ping()
        with terminal.running("status") as process:
            shown = click.unstyle(terminal.read_until("pack_db_daemon  "))
            assert process.wait(PATIENCE_S) == 0
    lines = shown.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("and ")]
    assert f"{pwd.getpwuid(os.getuid()).pw_name}  " in shown
