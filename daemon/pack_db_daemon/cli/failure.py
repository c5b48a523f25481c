from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from pack_db.errors import (
    CallTimeout,
    ConfigurationError,
    DeadlinePassed,
    PackDbError,
    StorageError,
    Unavailable,
)
from pack_db_daemon.adopted_socket import SocketLost
from pack_db_daemon.listening_socket import SocketInUse

INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended

EXIT_CODES_AND_OUTPUT = """\b
Exit codes:
  0    done
  1    the call was refused or failed; the error says why
  2    wrong usage
  3    no daemon listens at the socket, or no permission on it
  4    no answer in time; the error says whether a write may have been done
  5    a wrong setting, or a failing, foreign or occupied database or socket
  130  interrupted

\b
With --json a result is one JSON document on stdout, whose names are the
fields of the services' entities; times are whole Unix seconds. Errors are
one line on stderr, "pack-db: ..."; with --json they are
{"error": {"code": ..., "message": ..., "details": {...}}}, on stderr too.
"""


@contextmanager
def failures_shown(*, as_json: bool = False) -> Iterator[None]:
    """Let an error of pack-db end the program: a line on stderr and its exit code."""
    try:
        yield
    except PackDbError as error:
        click.echo(_as_json(error) if as_json else f"pack-db: {error}", err=True)
        raise click.exceptions.Exit(_exit_code(error)) from error


def _as_json(error: PackDbError) -> bytes:
    return msgspec.json.encode(
        {"error": {"code": error.code, "message": str(error), "details": error.details}}
    )


def _exit_code(error: PackDbError) -> int:
    match error:
        case Unavailable():
            return 3
        case CallTimeout() | DeadlinePassed():
            return 4
        case ConfigurationError() | StorageError() | SocketInUse() | SocketLost():
            return 5
    return 1
