import os
import subprocess
import sys
from pathlib import Path

import pytest

from pack_db.interfaces.services import SERVICES

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
        env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **settings},
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


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_a_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pack_db_daemon", "completion", shell],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    assert f"_PACK_DB_COMPLETE={shell}_complete" in done.stdout
