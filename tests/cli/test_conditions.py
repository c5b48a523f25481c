"""Every command there is, under conditions in which programs end with a traceback."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from pack_db.interfaces.entities.account import CreateAccountInput
from pack_db_daemon.cli.main import cli
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.pack_db_command import PACK_DB
from tests.support.running_daemon import running_daemon

EXIT_CODES = {0, 1, 2, 3, 4, 5}

# Of a uid that has no entry in the list of users, nor root's right to read everything.
A_USER = ("unshare", "--user", "--map-user=54321", "--map-group=54321")


@dataclass(frozen=True)
class Condition:
    redirection: str = ""  # of the shell
    before: str = ""  # what the shell does first
    settings: dict[str, str] = field(default_factory=dict)
    as_a_user: bool = False
    dotenv: bytes | None = None
    dotenv_mode: int = 0o600


def paths(path: str) -> dict[str, str]:
    return {"DB_PATH": path, "ZMQ_SOCKET_PATH": path}


CONDITIONS = {
    "stdout on a full disk": Condition(">/dev/full"),
    "all output on a full disk": Condition(">/dev/full 2>/dev/full"),
    "no stdout": Condition(">&-"),
    "no streams": Condition("<&- >&- 2>&-"),
    "a reader who left": Condition("| true"),
    "ASCII": Condition(
        settings={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    ),
    "no working directory": Condition(before="mkdir gone && cd gone && rmdir ../gone &&"),
    "no home": Condition(settings={"DB_PATH": ""}, as_a_user=True),
    "a directory that may not be searched": Condition(
        settings={"DB_PATH": "locked/x.db"}, as_a_user=True
    ),
    "a file that may not be read": Condition(settings={"DB_PATH": "locked.db"}, as_a_user=True),
    "directories for files": Condition(settings=paths("/tmp")),
    "a file for a directory": Condition(settings=paths("/dev/null/x")),
    "paths that are no text": Condition(settings=paths("/tmp/\udcff")),
    "settings in UTF-16": Condition(dotenv="DB_PATH=/srv/x.db\n".encode("utf-16")),
    "settings that may not be read": Condition(dotenv=b"", dotenv_mode=0, as_a_user=True),
}


@pytest.fixture(scope="module")
def filled() -> Iterator[DaemonProcess]:
    """A daemon with data that nobody can write in ASCII, and files that nobody may read."""
    with running_daemon() as daemon:
        with daemon.client() as db:
            for name in ("a", "zoë"):
                db.accounts.create_account(CreateAccountInput(email=f"{name}@example.com"))
        (daemon.directory / "rows").write_text('{"email": "日本@example.com"}\n')
        (daemon.directory / "locked.db").touch(mode=0)
        (daemon.directory / "locked").mkdir(mode=0)
        yield daemon


def commands(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *words, name)
        else:
            yield (*words, name), command


def arguments(command: click.Command, directory: Path) -> Iterator[str]:
    for parameter in command.params:
        if parameter.name in ("as_json", "yes"):
            yield parameter.opts[0]
        elif isinstance(parameter, click.Argument) and parameter.required:
            if isinstance(parameter.type, click.File):
                yield str(directory / "rows")
            elif isinstance(parameter.type, click.Path):
                yield str(directory / ("rows" if parameter.type.exists else "new"))
            elif parameter.type is click.INT:
                yield "1"
            else:
                yield "daemon.ping" if parameter.name == "method" else "a@example.com"


def complaint(
    daemon: DaemonProcess, condition: Condition, words: tuple[str, ...], command: click.Command
) -> str:
    """What is wrong with how a command behaves; empty if nothing is."""
    given = list(arguments(command, daemon.directory))
    settings = condition.settings
    if settings.get("DB_PATH", "").startswith("locked"):
        settings = {"DB_PATH": str(daemon.directory / settings["DB_PATH"])}
    done = subprocess.run(
        [
            *(A_USER if condition.as_a_user else ()),
            *("sh", "-c", f'{condition.before} exec "$@" {condition.redirection}', "sh"),
            *(*PACK_DB, *words, *given),
        ],
        env=daemon.environment | settings,
        cwd=daemon.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=3 * PATIENCE_S,
    )
    said = done.stdout + done.stderr
    if done.returncode not in EXIT_CODES or "Traceback" in said or "Exception ignored" in said:
        return f"{' '.join(words)}: exit code {done.returncode}\n{said}"
    if done.returncode >= 3 and "2>" not in condition.redirection:
        line = done.stderr.splitlines()[-1]
        try:
            found = json.loads(line)["error"] if "--json" in given else {"code": line}
        except ValueError:
            found = {"code": ""}
        if not found["code"]:
            return f"{' '.join(words)}: exit code {done.returncode}, and no error\n{said}"
    return ""


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_command_ends_with_a_line_and_an_exit_code(name: str, filled: DaemonProcess) -> None:
    condition = CONDITIONS[name]
    if condition.as_a_user and subprocess.run([*A_USER, "true"]).returncode:
        pytest.skip("new user namespaces are not permitted")
    dotenv = filled.directory / ".env"
    dotenv.unlink(missing_ok=True)
    if condition.dotenv is not None:
        dotenv.write_bytes(condition.dotenv)
        dotenv.chmod(condition.dotenv_mode)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        complaints = threads.map(lambda found: complaint(filled, condition, *found), commands(cli))
        assert [text for text in complaints if text] == []
