"""The page of what the commands print with `--json`, made by running them.

`python -m tests.docs.json_page` writes it anew.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.daemon_process import DaemonProcess
from tests.support.pack_db_command import PackDbCommand
from tests.support.postgres_server import running_postgres

_ROOT = Path(__file__).parents[2]
PAGE = _ROOT / "docs" / "reference" / "json.md"
_NOTES = _ROOT / "examples" / "notes" / "notes"
_INTRODUCTION = """\
# JSON of the commands

With `--json` a command prints one document: an object, or an array with an object a line. Keys are
the fields of the services' [entities](python.md), and their endings are their units: `_at` seconds
since 1970, `_s` seconds, `_us` microseconds, `_bytes` bytes. A status is its name. An error is one
object on stderr, also for wrong usage, and the [exit code](command-line.md#pack-db) says which kind
it is. `pack-db call` prints what the method returns as it travels, so there a status is a number;
`pack-db export` writes a file's lines.

This is what the commands print of a new database with one account. Of longer arrays the first two
elements are shown.
"""
_COMMANDS = """\
ping
accounts create ada@example.com
accounts get ada@example.com
accounts list
accounts update ada@example.com --plan Pro
accounts rotate-key ada@example.com
tokens consume ada@example.com 120
tokens top-up ada@example.com 50
tokens renew ada@example.com
tokens balance ada@example.com
tokens entries ada@example.com
tokens usage
status
config
import accounts people.jsonl
accounts delete ada@example.com --yes
migrate status
check
backup backups
"""
_STOPPED = """\
migrate up
restore backups/latest.db
stubs notes
migrate new pinned --package notes
"""
_HEADING = re.compile(r"^## pack-db ([^\n]+)\n\n```json\n(.+?)^```$", re.MULTILINE | re.DOTALL)


def examples(text: str) -> dict[str, Any]:
    """Command -> what it prints, of the page."""
    return {command: json.loads(shown) for command, shown in _HEADING.findall(text)}


def page() -> str:
    """The page as it would be written now."""
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory:
        sections = [
            f"\n## pack-db {command}\n\n```json\n{_shown(value)}\n```\n"
            for command, value in _session(Path(directory))
        ]
    return _INTRODUCTION + "".join(sections)


def _session(directory: Path) -> Iterator[tuple[str, Any]]:
    (directory / "backups").mkdir()
    (directory / "people.jsonl").write_text('{"email": "bob@example.com"}\n')
    daemon = DaemonProcess(directory)
    daemon.environment["DB_PATH"] = str(directory / "pack.db")
    daemon.start()
    command = PackDbCommand(daemon)
    try:
        for line in _COMMANDS.splitlines():
            yield line, command.json(*line.split(), "--json")
        refused = command.run("accounts", "get", "eve@example.com", "--json")
        yield "accounts get eve@example.com", json.loads(refused.stderr)
    finally:
        daemon.stop()
    [backup] = (directory / "backups").glob("*.db")
    backup.rename(backup.with_name("latest.db"))
    shutil.copytree(_NOTES, directory / "notes")
    for line in _STOPPED.splitlines():
        if line.endswith("notes"):
            daemon.environment["SERVICE_FACTORY"] = "notes.factory:NotesFactory"
        yield line, command.json(*line.split(), "--json")
    del daemon.environment["SERVICE_FACTORY"]
    with running_postgres() as server:
        daemon.environment["DB_URL"] = server.new_database()
        yield "move", command.json("move", "--json")


def _shown(value: Any) -> str:
    return json.dumps(_shortened(value), indent=2, ensure_ascii=False)


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortened(element) for element in value[:2]]
    if isinstance(value, dict):
        return {key: _shortened(element) for key, element in value.items()}
    if isinstance(value, str):
        # Whatever differs from one run to the next on another machine.
        return re.sub(r"/tmp/pack-db-[^/]+", "/srv/app", value)
    return value


if __name__ == "__main__":
    PAGE.write_text(page())
