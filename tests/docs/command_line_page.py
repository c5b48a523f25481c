"""The page of the command line, made from what the commands say of themselves.

`python -m tests.docs.command_line_page` writes it anew.
"""

from collections.abc import Iterator
from pathlib import Path

import click

from pack_db.config import Config
from pack_db_daemon.cli.main import cli

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"
_MARK = "\n<!-- What follows is made by `python -m tests.docs.command_line_page`. -->\n"
_WIDTH = 88


def page() -> str:
    by_hand, _, _ = PAGE.read_text().partition(_MARK)
    return by_hand + _MARK + "".join(_sections(cli, None, "pack-db"))


def _sections(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    context = click.Context(
        command,
        parent=parent,
        info_name=name,
        **{**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH},
    )
    context.obj = Config({})
    heading = "###" if parent is not None and parent.parent is not None else "##"
    with context:
        text = command.get_help(context)
    yield f"\n{heading} {context.command_path}\n\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None and not found.hidden:
                yield from _sections(found, context, sub)


if __name__ == "__main__":
    PAGE.write_text(page())
