from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from pack_db.checked_paths import checked_socket_path
from pack_db_client import PackDb
from pack_db_client.transport.unavailable import why_unavailable
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.output import Output, with_output

P = ParamSpec("P")


def with_client(command: Callable[Concatenate[PackDb, Output, P], None]) -> Callable[..., None]:
    """Give a command a client of the daemon and its output, and the options for both."""

    @click.option(
        "--socket",
        "socket_path",
        type=click.Path(path_type=Path),
        help="Where the daemon listens, instead of what ZMQ_SOCKET_PATH says.",
    )
    @click.option(
        "--timeout",
        "timeout_s",
        metavar="SECONDS",
        type=click.FloatRange(0, 600, min_open=True),
        help="How long a call may take, instead of what ZMQ_TIMEOUT_MS says.",
    )
    @with_output
    @wraps(command)
    def run(
        out: Output, /, *args: Any, socket_path: Path | None, timeout_s: float | None, **kwargs: Any
    ) -> None:
        with _connect(socket_path, timeout_s) as db:
            command(db, out, *args, **kwargs)

    return run


def _connect(socket_path: Path | None, timeout_s: float | None) -> PackDb:
    config = configuration()
    if socket_path is None:
        path = config.client_socket_path
    else:
        path = checked_socket_path(socket_path.absolute(), "--socket")
    # A client waits its whole timeout for a daemon that may be restarting. A person should
    # hear at once that there is none.
    if (unavailable := why_unavailable(path)) is not None:
        raise unavailable
    return PackDb(path, timeout_s=timeout_s, config=config)
