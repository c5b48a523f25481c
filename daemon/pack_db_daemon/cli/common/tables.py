"""Dataclasses as tables. A field is shown by its name, whose ending says its unit."""

import pwd
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, Literal

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from pack_db.interfaces.entities.account import AccountStatus

_GAP = 2  # spaces between two columns
_SHORTENED = 20  # characters that a text keeps while other columns need the room,
_SHORTEST = 12  # and at the end of a line
_BAR = 40  # characters of the longest bar
_WIDTH = 10_000  # characters, so that no id is ever cut or broken: ids are there to be copied


def print_record(entity: Any, bars: str = "") -> None:
    """One line for each field, those of its parts among them; then a table for each list.

    Args:
        bars: a field that is drawn as well, in those lists whose rows have it.
    """
    lines = Table.grid(padding=(0, 3, 0, 0))
    lines.add_column(style="bold")
    lines.add_column()
    lists: list[Sequence[Any]] = []
    for name, value in _leaves(entity):
        if isinstance(value, list):
            lists.append(value)
        else:
            lines.add_row(_label(name), text(name, value))
    for line in _lines_of(lines):
        click.echo(line)
    for rows in lists:
        if rows:
            click.echo()
            columns = [field.name for field in fields(rows[0])]
            print_rows(rows, columns, bars if bars in columns else "")


def print_rows(rows: Sequence[Any], columns: Sequence[str], bars: str = "") -> None:
    """As `lines_of_rows`."""
    for line in lines_of_rows(rows, columns, bars):
        click.echo(line)


def lines_of_rows(rows: Sequence[Any], columns: Sequence[str], bars: str = "") -> list[str]:
    """One line for each row, below the names of `columns`, and a bar as long as its `bars`.

    On a terminal that is too narrow, the last columns are left out, and the text before them is
    shortened.
    """
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDTH
    widths = _widths(rows, columns, room)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name, width in widths.items():
        justify: Literal["left", "right"] = "left" if _is_text(name, rows[0]) else "right"
        table.add_column(_label(name), justify=justify, max_width=width, no_wrap=True)
    most = min(_BAR, room - sum(widths.values()) - _GAP * len(widths))
    if bars and most > 0:
        table.add_column()
        longest = max(getattr(row, bars) for row in rows)
    for row in rows:
        cells = [text(name, getattr(row, name)) for name in widths]
        if bars and most > 0:
            cells.append(_bar(getattr(row, bars) / longest if longest else 0, most))
        table.add_row(*cells)
    return _lines_of(table)


def _widths(rows: Sequence[Any], columns: Sequence[str], room: int) -> dict[str, int]:
    """How wide each column is that fits; the first one always does, since ids are copied."""
    widths: dict[str, int] = {}
    for name, width in _wanted(rows, columns, room).items():
        if widths and width > room:
            if room >= _SHORTEST and isinstance(getattr(rows[0], name), str):
                widths[name] = room
            break
        widths[name] = width
        room -= width + _GAP
    return widths


def _wanted(rows: Sequence[Any], columns: Sequence[str], room: int) -> dict[str, int]:
    """How wide each column would be; long texts are shortened before others are left out."""
    widths = {
        name: max(cell_len(_label(name)), *(cell_len(text(name, getattr(r, name))) for r in rows))
        for name in columns
    }
    missing = sum(widths.values()) + _GAP * (len(widths) - 1) - room
    for name in columns[1:]:
        if missing > 0 and isinstance(getattr(rows[0], name), str) and widths[name] > _SHORTENED:
            cut = min(missing, widths[name] - _SHORTENED)
            widths[name] -= cut
            missing -= cut
    return widths


def text(name: str, value: Any) -> str:
    """The value of a field in words, by what the end of its name says."""
    if value is None:
        return "-"
    if name == "failed" and not value:
        return ""
    if name == "status":
        return AccountStatus(value).name.lower()
    if name == "user_id":
        return _user(value)
    in_words = _UNITS.get(name.rpartition("_")[2], str)
    return in_words(value)


def _user(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def _bar(share: float, most: int) -> str:
    eighths = round(8 * most * share)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _lines_of(renderable: Table) -> list[str]:
    # What a user stored must not be taken for markup.
    console = Console(width=_WIDTH, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(renderable)
    return [line.rstrip() for line in captured.get().splitlines()]


def _leaves(entity: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in fields(entity):
        name, value = prefix + field.name, getattr(entity, field.name)
        if is_dataclass(value):
            yield from _leaves(value, f"{name}_")
        else:
            yield name, value


def _is_text(name: str, row: Any) -> bool:
    return isinstance(getattr(row, name), str | None) or name == "status" or name.endswith("_at")


def _label(name: str) -> str:
    if name in _SHORT:
        return _SHORT[name]
    stem, _, unit = name.rpartition("_")
    return (stem if unit in _UNITS and unit != "at" else name).replace("_", " ")


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{number} {unit}" for number, unit in parts[:2])


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _microseconds(microseconds: float) -> str:
    if microseconds < 1000:
        return f"{microseconds:.0f} µs"
    return f"{microseconds / 1000:.1f} ms"


_SHORT = {
    "plan_name": "plan",
    "token_remaining": "tokens",
    "topup_remaining": "top-up",
    "user_id": "user",
}

_UNITS: dict[str, Callable[[Any], str]] = {
    "at": _time,
    "s": _duration,
    "bytes": _size,
    "us": _microseconds,
}
