import errno
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from pack_db.errors import (
    CallTimeout,
    ConfigurationError,
    DeadlinePassed,
    InvalidInput,
    PackDbError,
    StorageError,
    StorageFull,
    StorageReadOnly,
    Unavailable,
)
from pack_db_daemon.process.adopted_socket import SocketLost
from pack_db_daemon.process.listening_socket import SocketInUse

_BY_ERRNO: dict[int, type[StorageError]] = {
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EROFS: StorageReadOnly,
}

INTERRUPTED = 130  # what a shell reports for a program that SIGINT ended

EXIT_CODES_AND_OUTPUT = """\b
Exit codes:
  0    done
  1    the call was refused or failed, or its result cannot be written;
       the error says why
  2    wrong usage
  3    no daemon listens at the socket, or no permission on it
  4    no answer in time; the error says whether a write may have been done
  5    a wrong setting, or a failing, foreign or occupied database or socket,
       or a file that cannot be used
  130  interrupted

\b
With --json a result is one JSON document on stdout, whose names are the
fields of the services' entities; times are whole Unix seconds. Errors are
one line on stderr, "pack-db: ..."; with --json they are
{"error": {"code": ..., "message": ..., "details": {...}}}, on stderr too.
"""


class StreamFailed(PackDbError):
    """Standard input or output is closed, or on a full disk. What was asked for may be done."""

    code = "stream_failed"


@contextmanager
def failures_shown(*, as_json: bool = False) -> Iterator[None]:
    """Let an expected error end the program: a line on stderr and its exit code."""
    try:
        yield
    except BrokenPipeError:
        raise  # click ends the program, in silence: nobody reads on
    except (PackDbError, OSError) as exc:
        error = _of_the_system(exc) if isinstance(exc, OSError) else exc
        message = _in_the_words_of_the_command(error)
        with suppress(OSError):  # stderr may be on the same full disk
            if as_json:
                click.echo(error_as_json(error.code, message, error.details), err=True)
            else:
                click.echo(f"pack-db: {message}", err=True)
        raise click.exceptions.Exit(_exit_code(error)) from exc


def _of_the_system(exc: OSError) -> PackDbError:
    if exc.filename is None:
        return StreamFailed(f"cannot read the input or write the result: {exc.strerror or exc}")
    kind = _BY_ERRNO.get(exc.errno or 0, StorageError)
    return kind(f"cannot use {exc.filename}: {exc.strerror or exc}")


def error_as_json(code: str, message: str, details: dict[str, Any]) -> str:
    # Not by msgspec: it knows no way to write a name of a file that is no UTF-8.
    content = {"code": code, "message": message, "details": details}
    return json.dumps({"error": content}, default=str)


def _in_the_words_of_the_command(error: PackDbError) -> str:
    """A rule about an argument of the service names the option that it was given by."""
    message = str(error)
    context = click.get_current_context(silent=True)
    if context is None or not isinstance(error, InvalidInput):
        return message
    for parameter in context.command.params:
        if isinstance(parameter, click.Option) and parameter.name:
            # A plain word in the middle of a sentence is no name.
            start = "" if "_" in parameter.name else r"(?:^|(?<=: ))"
            message = re.sub(rf"{start}\b{parameter.name}\b", parameter.opts[-1], message)
    return message


def _exit_code(error: PackDbError) -> int:
    match error:
        case Unavailable():
            return 3
        case CallTimeout() | DeadlinePassed():
            return 4
        case ConfigurationError() | StorageError() | SocketInUse() | SocketLost():
            return 5
    return 1
