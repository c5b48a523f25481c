"""A page of the documentation, done as a reader does it from top to bottom."""

import doctest
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemon_process import PATIENCE_S

_BLOCK = re.compile(
    r'^(?P<indent> *)```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^ *```$',
    re.DOTALL | re.MULTILINE,
)
_SEPARATOR = "--- end of a block ---"
_START = "set -e; trap 'jobs -p | xargs --no-run-if-empty kill; wait || true' EXIT"
# A reader starts the daemon in another terminal, and sees when it is there.
_SERVE = re.compile(r"^pack-db serve$", re.MULTILINE)
# The wheel of the checkout is built already.
_INSTALL = ("pip install .\n", "pip install pack-db\n")
# Of a program in the background that was killed, bash tells at whichever command it notices.
_NOTICE = re.compile(r"^bash: line \d+: +\d+ Killed .*\n", re.MULTILINE)
_IN_BACKGROUND = (
    "pack-db serve 2>> log &\n"
    f"timeout {PATIENCE_S} sh -c 'until pack-db status; do sleep 0.05; done' > /dev/null 2>&1 "
    "|| { cat log; exit 1; }"
)


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    title: str | None
    text: str

    @property
    def is_included(self) -> bool:
        """It is a file of the project, which is tested where it is."""
        return self.text.startswith("--8<--")

    @property
    def script(self) -> str:
        match self.language:
            case "sh":
                return _SERVE.sub(_IN_BACKGROUND, self.text).replace(*_INSTALL)
            case "python" if self.title is None:
                return f"python - <<'END_OF_FILE'\n{self.text}END_OF_FILE"
        return f"cat > {self.title} <<'END_OF_FILE'\n{self.text}END_OF_FILE"


def blocks(markdown: str) -> list[Block]:
    """Every fenced block that says its language."""
    return [
        Block(
            found["language"],
            found["title"],
            re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
        )
        for found in _BLOCK.finditer(markdown)
    ]


def do(page: list[Block], directory: Path, environment: Mapping[str, str]) -> None:
    """Run what is to be run, in one shell, and compare what is to be seen.

    A block of "text" is what the block before it prints, with "..." for what differs.
    """
    run = [block for block in page if block.language != "text" and not block.is_included]
    script = [_START, *(f"{block.script}\necho '{_SEPARATOR}'" for block in run)]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=3 * PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout
    *printed, _ = _NOTICE.sub("", done.stdout).split(f"{_SEPARATOR}\n")
    outputs = iter(printed)
    output = ""
    for block in page:
        if block.language == "text":
            expected = block.text
            assert doctest.OutputChecker().check_output(
                expected, output, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            ), f"expected:\n{expected}\ngot:\n{output}"
        elif not block.is_included:
            output = next(outputs)
