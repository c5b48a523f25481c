import logging
import os
import sys
from pathlib import Path

import click

from pack_db.config import Config, ConfigKeys
from pack_db.lean_peewee import import_peewee_without_psycopg
from pack_db.misspelt_settings import misspelt_settings
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.failure import failures_shown
from pack_db_daemon.process.json_lines import JsonLines
from pack_db_daemon.process.log_writer import LogWriter

_STDERR = 2

_log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--db",
    "database_path",
    type=click.Path(path_type=Path),
    help="The SQLite file, instead of what DB_PATH or DB_URL says.",
)
@click.option(
    "--socket",
    "socket_path",
    type=click.Path(path_type=Path),
    help="Where to listen, instead of what ZMQ_SOCKET_PATH says.",
)
def serve(database_path: Path | None, socket_path: Path | None) -> None:
    """Own the database and answer calls until SIGTERM or SIGINT.

    Settings come from the environment and a .env file in the working directory; .env.example
    explains them. Both paths have defaults, which the other commands know too.

    \b
    Examples:
      pack-db serve
      pack-db serve --db /srv/app/pack.db --socket /run/app/pack-db.sock
    """
    with failures_shown():
        _set(database_path, socket_path)
        config = configuration().check()
    with failures_shown(as_json=config.logs_json):
        if config.database_url is None:
            import_peewee_without_psycopg()
        # Imported here: the commands that only call the daemon start faster without Peewee.
        from pack_db.configured_factory import configured_factory
        from pack_db_daemon.daemon import serve as serve_until_stopped

        log = _log_to_stderr(config)
        try:
            _warn_of_misspelt_settings(config)
            with configured_factory(config) as factory:
                serve_until_stopped(factory)
        finally:
            logging.getLogger().removeHandler(log)
            if not log.finish():
                # Nobody reads what is written there; the line about a failure would wait, too.
                sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _set(database_path: Path | None, socket_path: Path | None) -> None:
    # In the environment, where they are found again when the settings are re-read.
    if database_path is not None:
        os.environ[ConfigKeys.DB_PATH] = str(database_path.absolute())
        os.environ[ConfigKeys.DB_URL] = ""
    if socket_path is not None:
        os.environ[ConfigKeys.ZMQ_SOCKET_PATH] = str(socket_path.absolute())


def _warn_of_misspelt_settings(config: Config) -> None:
    misspelt = misspelt_settings(config.environment)
    if misspelt:
        _log.warning(
            "what is no setting is ignored: %s",
            ", ".join(f"{key} (did you mean {setting}?)" for key, setting in misspelt.items()),
        )


def _log_to_stderr(config: Config) -> LogWriter:
    log = LogWriter(_STDERR)
    time = "" if _stderr_is_the_journal() else "%(asctime)s "
    lines = logging.Formatter(
        f"{time}%(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z"
    )
    log.setFormatter(JsonLines() if config.logs_json else lines)
    logging.basicConfig(handlers=[log], level=config.log_level)
    logging.captureWarnings(True)
    # Peewee would log every statement with its values, and each migration a second time.
    logging.getLogger("peewee").setLevel(logging.WARNING)
    return log


def _stderr_is_the_journal() -> bool:
    # The variable alone is not enough: what systemd starts hands it on to its children,
    # whose stderr may be something else (systemd.exec(5), $JOURNAL_STREAM).
    stderr = os.fstat(_STDERR)
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"
