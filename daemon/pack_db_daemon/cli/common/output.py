from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import click
import msgspec

from pack_db.interfaces.entities.account import Account, AccountStatus
from pack_db_daemon.cli.common.failure import failures_shown

P = ParamSpec("P")


class Output(ABC):
    """How a command shows what it found: as tables for people or as JSON for programs."""

    def json(self, value: object) -> None:
        """Print anything a service returns as one JSON document."""
        # As bytes: JSON is UTF-8 whatever the terminal's encoding is (RFC 8259, 8.1).
        click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))

    @abstractmethod
    def record(self, entity: Any, *, bars: str = "") -> None:
        """Print one dataclass.

        Args:
            bars: a field of the rows in its lists, which people see as bars, too.
        """

    @abstractmethod
    def rows(self, pages: Iterable[Sequence[Any]], columns: Sequence[str]) -> None:
        """Print dataclasses below each other, each page as soon as it is there.

        Args:
            columns: the fields that a table has room for; JSON has them all.
        """

    @abstractmethod
    def lines(self, lines: Iterable[str], content: object) -> None:
        """Print the lines of a command's own text, or as JSON what they are made of."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Say something to people that is no part of the result."""


class JsonOutput(Output):
    def record(self, entity: Any, *, bars: str = "") -> None:
        self.json(_with_names(entity))

    def rows(self, pages: Iterable[Sequence[Any]], columns: Sequence[str]) -> None:
        # One array, but a line for each row, so nothing has to fit in memory.
        before = b"["
        for page in pages:
            for row in page:
                click.echo(before + b"\n  " + msgspec.json.encode(_with_names(row)), nl=False)
                before = b","
        click.echo("[]" if before == b"[" else "\n]")

    def lines(self, lines: Iterable[str], content: object) -> None:
        self.json(content)

    def note(self, text: str) -> None:
        pass


class TextOutput(Output):
    def record(self, entity: Any, *, bars: str = "") -> None:
        from pack_db_daemon.cli.common.tables import print_record

        print_record(entity, bars)

    def rows(self, pages: Iterable[Sequence[Any]], columns: Sequence[str]) -> None:
        from pack_db_daemon.cli.common.tables import print_rows

        for page in pages:
            if page:
                print_rows(page, columns)

    def lines(self, lines: Iterable[str], content: object) -> None:
        for line in lines:
            click.echo(line)

    def note(self, text: str) -> None:
        click.echo(text)


def _with_names(entity: Any) -> Any:
    if not isinstance(entity, Account):
        return entity
    return msgspec.to_builtins(entity) | {"status": AccountStatus(entity.status).name.lower()}


def with_output(command: Callable[Concatenate[Output, P], None]) -> Callable[..., None]:
    """Give a command its output and the option that chooses it."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON, also for an error.")
    @wraps(command)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        with failures_shown(as_json=as_json):
            command(JsonOutput() if as_json else TextOutput(), *args, **kwargs)

    return run
