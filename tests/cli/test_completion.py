import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pack_db.interfaces.services import SERVICES
from tests.support.daemon_process import PATIENCE_S

_ENVIRONMENT = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
# Completes a line as readline does, and prints what it would offer.
_COMPLETE = """
eval "$(pack-db completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
_pack_db_completion pack-db 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words: str, **settings: str) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", _COMPLETE, "bash", "pack-db", *words],
        env=_ENVIRONMENT | settings,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_and_options() -> None:
    assert offered("sta") == ["status"]
    assert "rotate-key" in offered("accounts", "")
    assert offered("serve", "--so") == ["--socket"]


def test_bash_completes_methods_and_their_arguments() -> None:
    services = {name.partition(".")[0] for name in offered("call", "")}
    assert services == {*SERVICES, "daemon"}
    assert offered("call", "tokens.get_b") == ["tokens.get_balance"]
    assert offered("call", "tokens.top_up", "am") == ["amount="]
    assert offered("call", "tokens.top_up", "amount=3", "") == ["account_id="]


def test_nothing_is_completed_where_the_services_are_not_to_be_found() -> None:
    assert offered("call", "acc", SERVICE_FACTORY="no.such:Factory") == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands_methods_and_arguments() -> None:
    def offered(line: str) -> list[str]:
        done = subprocess.run(
            ["fish", "-N", "-c", f"pack-db completion fish | source; complete -C '{line}'"],
            env=_ENVIRONMENT | {"HOME": "/nowhere"},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
        )
        return [found.split("\t")[0] for found in done.stdout.splitlines()]

    assert offered("pack-db sta") == ["status"]
    assert offered("pack-db call tokens.get_b") == ["tokens.get_balance"]
    assert offered("pack-db call tokens.top_up amount=3 ") == ["account_id="]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_commands_methods_and_arguments(tmp_path: Path) -> None:
    screen, keyboard = pty.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        env=_ENVIRONMENT | {"TERM": "dumb", "HOME": str(tmp_path), "COLUMNS": "200"},
        cwd=tmp_path,
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        start_new_session=True,
    )

    def read_until(text: str) -> str:
        shown = ""
        while text not in shown:
            ready, _, _ = select.select([screen], [], [], PATIENCE_S)
            assert ready, f"{text!r} does not appear after {shown!r}"
            shown += os.read(screen, 4096).decode(errors="replace")
        return shown

    try:
        # What is typed must not look like what is waited for.
        set_up = 'autoload -U compinit; compinit -u -D; eval "$(pack-db completion zsh)"'
        os.write(screen, f'{set_up}; echo r"ead"y\n'.encode())
        read_until("ready")
        for typed, completed in (
            ("pack-db sta", "status "),
            ("pack-db call tokens.get_b", "tokens.get_balance "),
            ("pack-db call tokens.top_up amo", "amount="),
        ):
            os.write(screen, b"\x15")  # Ctrl-U: an empty line
            os.write(screen, f"{typed}\t".encode())
            shown = read_until(completed)
        os.write(screen, b"3")
        shown += read_until("3")
        assert "amount= " not in shown
    finally:
        shell.kill()
        shell.wait()
        os.close(screen)
        os.close(keyboard)
