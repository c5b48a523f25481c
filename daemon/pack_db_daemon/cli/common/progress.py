"""A bar on the terminal for what takes long, and nothing where stderr is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much; 0 if nobody knows."""


@contextmanager
def progress_in_bytes() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield _not_shown
        return
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with _bar(DownloadColumn(), TransferSpeedColumn()) as progress:
        yield progress


@contextmanager
def progress_in_rows() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield _not_shown
        return
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rows(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.completed:,.0f} rows  {task.speed or 0:,.0f}/s")

    with _bar(Rows()) as progress:
        yield progress


@contextmanager
def _bar(*columns: "ProgressColumn") -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        described = ""

        def show(description: str, done: int, total: int) -> None:
            nonlocal described
            if description != described:
                bar.reset(task, description=description)
                described = description
            bar.update(task, completed=done, total=total or None)

        yield show


def _not_shown(description: str, done: int, total: int) -> None:
    pass
