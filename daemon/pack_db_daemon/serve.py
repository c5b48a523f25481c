"""The composition root: the one place that knows every part of the daemon."""

import logging
import os

import pack_db
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.services import SERVICES
from pack_db_client.protocol.daemon_service import DAEMON_SERVICE, DaemonService
from pack_db_daemon.call_statistics import CallStatistics
from pack_db_daemon.dispatcher import Dispatcher
from pack_db_daemon.exactly_once import ExactlyOnce
from pack_db_daemon.listening_socket import ListeningSocket
from pack_db_daemon.local_daemon_service import LocalDaemonService
from pack_db_daemon.method_table import MethodTable
from pack_db_daemon.rep_transport import RepTransport
from pack_db_daemon.stop_signals import StopSignals

_log = logging.getLogger(__name__)


def serve(factory: ServiceFactory) -> None:
    """Own the database and answer calls until SIGTERM or SIGINT.

    Raises:
        PackDbError: it cannot start; the message says why.
    """
    with StopSignals() as stop:
        config = factory.get_config()
        database = factory.get_database_connection()  # locked from here on
        for name in database.run_migrations():
            _log.info("applied migration %s", name)
        exactly_once = ExactlyOnce(database, factory.get_reply_journal())
        statistics = CallStatistics()
        with ListeningSocket(config) as listening:
            transport = RepTransport(
                listening.fileno(),
                str(listening.path),
                Dispatcher(
                    MethodTable(
                        {**SERVICES, DAEMON_SERVICE: DaemonService},
                        {
                            **factory.get_services(),
                            DAEMON_SERVICE: LocalDaemonService(
                                database, statistics, listening.path
                            ),
                        },
                    ),
                    database,
                    exactly_once,
                    statistics,
                    config.max_message_bytes,
                ),
                config.max_message_bytes,
                lambda: _forget_expired(exactly_once),
            )
            _log.info(
                "pack-db %s, process %d, serves %s at %s",
                pack_db.__version__,
                os.getpid(),
                database.path,
                listening.path,
            )
            transport.serve(stop.wakeup_fd, lambda: stop.received)
            transport.close()
    _log.info("stopped")


def _forget_expired(exactly_once: ExactlyOnce) -> bool:
    try:
        return exactly_once.forget_expired()
    except Exception:
        _log.exception("cannot prune the reply journal; it is tried again")
        return False
