"""The composition root: the one place that knows every part of the daemon."""

import logging
import os
from contextlib import closing

import pack_db
from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError, PackDbError, StorageError
from pack_db.impls.service_factory import ServiceFactory
from pack_db_client.protocol.daemon_service import DAEMON_SERVICE
from pack_db_daemon.adopted_socket import AdoptedSocket
from pack_db_daemon.call_statistics import CallStatistics
from pack_db_daemon.callers import Callers
from pack_db_daemon.dispatcher import Dispatcher
from pack_db_daemon.exactly_once import ExactlyOnce
from pack_db_daemon.listening_socket import ListeningSocket
from pack_db_daemon.local_daemon_service import LocalDaemonService
from pack_db_daemon.log_limit import LogLimit
from pack_db_daemon.method_table import MethodTable, with_daemon_service
from pack_db_daemon.process_signals import ProcessSignals
from pack_db_daemon.rep_transport import RepTransport
from pack_db_daemon.service_manager import ServiceManager
from pack_db_daemon.status_line import StatusLine

_log = logging.getLogger(__name__)


def serve(factory: ServiceFactory) -> None:
    """Own the database and answer calls until SIGTERM or SIGINT.

    Raises:
        PackDbError: it cannot start; the message says why.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())
    manager = ServiceManager(os.environ)
    try:
        # First of all: a descriptor that was announced and is not there would be taken by the
        # next file that is opened.
        adopted = _adopted_socket(manager, factory.get_config())
        with ProcessSignals() as signals:
            _serve(factory, manager, signals, adopted)
    except PackDbError as error:
        manager.failed(str(error))
        raise
    _log.info("stopped")


def _adopted_socket(manager: ServiceManager, config: Config) -> AdoptedSocket | None:
    fds = manager.inherited_fds()
    return AdoptedSocket(fds, config) if fds else None


def _serve(
    factory: ServiceFactory,
    manager: ServiceManager,
    signals: ProcessSignals,
    adopted: AdoptedSocket | None,
) -> None:
    config = factory.get_config()
    database = factory.get_database_connection()  # locked from here on
    for name in database.run_migrations():
        _log.info("applied migration %s", name)
    exactly_once = ExactlyOnce(database, factory.get_reply_journal())
    statistics = CallStatistics()
    with adopted or ListeningSocket(config) as listening:
        status = StatusLine(
            f"pack-db {pack_db.__version__} serves {database.path} at {listening.path}", database
        )

        def keep_house() -> bool:
            manager.alive()
            if signals.take_reload_request():
                manager.reloading()
                _reload(config)
                manager.ready(status.text)
            if status.update():
                manager.ready(status.text)
            return _forget_expired(exactly_once)

        services = {
            **factory.get_services(),
            DAEMON_SERVICE: LocalDaemonService(
                database, statistics, listening.path, lambda: transport.connection_count
            ),
        }
        transport = RepTransport(
            listening.fileno(),
            str(listening.path),
            Callers(config.allowed_uids, config.allowed_gids),
            Dispatcher(
                MethodTable(with_daemon_service(factory.services), services),
                database,
                exactly_once,
                statistics,
                config.max_message_bytes,
            ),
            config.max_message_bytes,
            keep_house,
        )
        with closing(transport):
            _log.info("process %d: %s", os.getpid(), status.text)
            manager.ready(status.text)
            transport.serve(signals.wakeup_fd, lambda: signals.stop_requested)
            manager.stopping()


def _reload(running: Config) -> None:
    try:
        fresh = Config()
    except ConfigurationError as error:
        _log.error("nothing was re-read: %s", error)
        return
    logging.getLogger().setLevel(fresh.log_level)
    for key in ConfigKeys:
        if key is not ConfigKeys.LOG_LEVEL and fresh.get(key, "") != running.get(key, ""):
            _log.warning("%s has changed; it takes effect when the daemon is restarted", key)
    _log.info("re-read the log level: %s", fresh.log_level)


def _forget_expired(exactly_once: ExactlyOnce) -> bool:
    try:
        return exactly_once.forget_expired()
    except StorageError:
        return False  # the database has logged it, and it is tried again
    except Exception:
        _log.exception("cannot prune the reply journal; it is tried again")
        return False
