import logging
import os
import sys

import click

from pack_db.config import Config
from pack_db.lean_peewee import import_peewee_without_psycopg
from pack_db.misspelt_settings import misspelt_settings
from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.failure import failures_shown
from pack_db_daemon.process.log_writer import LogWriter

_STDERR = 2

_log = logging.getLogger(__name__)


@click.command()
def serve() -> None:
    """Own the database and answer calls until SIGTERM or SIGINT.

    Settings come from the environment and a .env file in the working directory; .env.example
    explains them. Both paths have defaults, which the other commands know too.

    \b
    Examples:
      pack-db serve
      DB_PATH=/srv/app/pack.db ZMQ_SOCKET_PATH=/run/app/pack-db.sock pack-db serve
    """
    with failures_shown():
        config = configuration().check()
        if config.database_url is None:
            import_peewee_without_psycopg()
        # Imported here: the commands that only call the daemon start faster without Peewee.
        from pack_db.configured_factory import configured_factory
        from pack_db_daemon.daemon import serve as serve_until_stopped

        log = _log_to_stderr(config.log_level)
        try:
            _warn_of_misspelt_settings(config)
            with configured_factory(config) as factory:
                serve_until_stopped(factory)
        finally:
            logging.getLogger().removeHandler(log)
            if not log.finish():
                # Nobody reads what is written there; the line about a failure would wait, too.
                sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _warn_of_misspelt_settings(config: Config) -> None:
    misspelt = misspelt_settings(config.environment)
    if misspelt:
        _log.warning(
            "what is no setting is ignored: %s",
            ", ".join(f"{key} (did you mean {setting}?)" for key, setting in misspelt.items()),
        )


def _log_to_stderr(level: str) -> LogWriter:
    log = LogWriter(_STDERR)
    time = "" if _stderr_is_the_journal() else "%(asctime)s "
    logging.basicConfig(
        handlers=[log],
        level=level,
        format=f"{time}%(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )
    logging.captureWarnings(True)
    # Peewee would log every statement with its values, and each migration a second time.
    logging.getLogger("peewee").setLevel(logging.WARNING)
    return log


def _stderr_is_the_journal() -> bool:
    # The variable alone is not enough: what systemd starts hands it on to its children,
    # whose stderr may be something else (systemd.exec(5), $JOURNAL_STREAM).
    stderr = os.fstat(_STDERR)
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"
