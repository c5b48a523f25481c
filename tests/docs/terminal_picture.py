"""The picture in the README, of a session at a real terminal with a real daemon.

`python -m tests.docs.terminal_picture` draws it anew.
"""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from pack_db_client import CreateAccountInput, InsufficientTokens, PackDb
from tests.cli.test_terminal import Terminal
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.running_daemon import running_daemon

PICTURE = Path(__file__).parents[2] / "docs" / "session.svg"
_COMMANDS = (
    "accounts create ada@example.com --plan Pro",
    "tokens consume ada@example.com 120",
    "status",
)
# Nothing is fetched from elsewhere.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def _use(db: PackDb, number: int) -> None:
    made = CreateAccountInput(email=f"{number}@example.com", token_remaining=300)
    account = db.accounts.create_account(made)
    for _ in range(400):
        db.accounts.get_account(account.id)
        try:
            db.tokens.consume_tokens(account.id, 1)
        except InsufficientTokens:
            db.tokens.top_up(account.id, 1)


def _session(daemon: DaemonProcess) -> str:
    terminal = Terminal(daemon)
    shown = ""
    for command in _COMMANDS:
        shown += f"\x1b[1m$ pack-db {command}\x1b[0m\r\n"
        with terminal.running(*command.split()) as process:
            process.wait(PATIENCE_S)
        shown += terminal.read_rest() + "\r\n"
    terminal.close()
    return shown


def main() -> None:
    with running_daemon() as daemon, daemon.client() as db:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(_use, 4 * [db], range(4)))
        shown = _session(daemon).replace(str(daemon.directory), "/srv/app")
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(Text.from_ansi(shown.replace("\r\n", "\n").rstrip()))
    PICTURE.write_text(console.export_svg(title="pack-db", code_format=_FORMAT))


if __name__ == "__main__":
    main()
