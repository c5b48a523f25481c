"""Rows as JSON Lines or CSV, one at a time, so that a file of any length can be read or written."""

import codecs
import csv
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, BinaryIO, Generic, TypeVar

import click
import msgspec

Row = TypeVar("Row")

FORMATS = ("jsonl", "csv")


@dataclass(frozen=True, slots=True)
class Line(Generic[Row]):
    number: int  # counted from 1; the last one of a row that has several
    row: Row | None
    problem: str = ""  # why there is no row


def write_rows(rows: Iterable[Any], row_type: type, form: str) -> None:
    """Write dataclasses of `row_type` to stdout, in UTF-8 whatever the terminal's encoding is."""
    if form == "csv":
        names = [field.name for field in fields(row_type)]
        writer = csv.writer(codecs.getwriter("utf-8")(sys.stdout.buffer), lineterminator="\n")
        writer.writerow(names)
        writer.writerows(map(attrgetter(*names), rows))
    else:
        for row in rows:
            sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
    sys.stdout.buffer.flush()


def read_rows(file: BinaryIO, row_type: type[Row], form: str) -> Iterator[Line[Row]]:
    """Read dataclasses of `row_type`. Fields that it has not are ignored, empty lines too.

    Raises:
        click.UsageError: the file is not in this format at all.
    """
    return _read_csv(file, row_type) if form == "csv" else _read_json(file, row_type)


def _read_json(file: BinaryIO, row_type: type[Row]) -> Iterator[Line[Row]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield Line(number, msgspec.json.decode(line, type=row_type))
            except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
                yield Line(number, None, str(exc))


def _read_csv(file: BinaryIO, row_type: type[Row]) -> Iterator[Line[Row]]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.DictReader(text, strict=True)
    try:
        for cells in reader:
            # An empty cell is a field that is not given.
            given = {name: cell for name, cell in cells.items() if cell}
            if None in given:
                yield Line(reader.line_num, None, "it has more cells than the first line")
                continue
            try:
                yield Line(reader.line_num, msgspec.convert(given, row_type, strict=False))
            except msgspec.MsgspecError as exc:
                yield Line(reader.line_num, None, str(exc))
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"the file is not UTF-8 behind line {reader.line_num}") from exc
    except csv.Error as exc:
        raise click.UsageError(f"line {reader.line_num} is not CSV: {exc}") from exc
    finally:
        text.detach()
