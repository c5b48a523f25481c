"""The composition root: the one place that knows every part of the daemon."""

import logging
import os
from collections.abc import Callable
from contextlib import closing

import pack_db
from pack_db.config import Config, ConfigKeys
from pack_db.errors import ConfigurationError, PackDbError, StorageError
from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
from pack_db.impls.exactly_once.retries import Retries
from pack_db.interfaces.service_factory import AbstractServiceFactory
from pack_db_client.protocol.daemon_service import DAEMON_SERVICE
from pack_db_daemon.dispatch.call_runner import BUDGET_NS, NETWORK_BUDGET_NS
from pack_db_daemon.dispatch.call_statistics import CallStatistics
from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.local_daemon_service import LocalDaemonService
from pack_db_daemon.dispatch.method_table import MethodTable, with_daemon_service
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.process.adopted_socket import AdoptedSocket
from pack_db_daemon.process.in_background import InBackground
from pack_db_daemon.process.listening_socket import ListeningSocket, check_socket_path
from pack_db_daemon.process.log_limit import LogLimit
from pack_db_daemon.process.process_signals import ProcessSignals
from pack_db_daemon.process.status_line import StatusLine
from pack_db_daemon.process.systemd import Systemd
from pack_db_daemon.transport.access_control import AccessControl
from pack_db_daemon.transport.group_commit import GroupCommit
from pack_db_daemon.transport.message_log import MessageLog
from pack_db_daemon.transport.rep_transport import RepTransport
from pack_db_daemon.transport.request_handler import RequestHandler
from pack_db_daemon.transport.router_transport import RouterTransport
from pack_db_daemon.transport.socket_loop import Transport
from pack_db_daemon.transport.workers import Workers

_log = logging.getLogger(__name__)


def serve(factory: AbstractServiceFactory) -> None:
    """Own the database and answer calls until SIGTERM or SIGINT.

    Raises:
        PackDbError: it cannot start; the message says why.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(LogLimit())
    manager = Systemd(os.environ)
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


def _adopted_socket(manager: Systemd, config: Config) -> AdoptedSocket | None:
    fds = manager.inherited_fds()
    return AdoptedSocket(fds, config) if fds else None


def _serve(
    factory: AbstractServiceFactory,
    manager: Systemd,
    signals: ProcessSignals,
    adopted: AdoptedSocket | None,
) -> None:
    config = factory.get_config()
    if adopted is None:
        check_socket_path(config)  # before there is a database that nobody could reach
    database = factory.get_database_connection()  # locked from here on
    for name in database.run_migrations():
        _log.info("applied migration %s", name)
    exactly_once = ExactlyOnce(database, factory.get_reply_journal())
    calls, queue = CallStatistics(), QueueStatistics()
    services = {
        **factory.get_services(),
        DAEMON_SERVICE: LocalDaemonService(
            database,
            calls,
            queue,
            config.socket_path,
            config.max_message_bytes,
            lambda: transport.peers,
        ),
    }
    methods = MethodTable(with_daemon_service(factory.services), services)
    is_remote = config.database_url is not None
    dispatcher = Dispatcher(
        methods,
        database,
        exactly_once,
        calls,
        config.max_message_bytes,
        retries=Retries(stopped=signals.stop.is_set) if is_remote else None,
        budget_ns=NETWORK_BUDGET_NS if is_remote else BUDGET_NS,
    )

    def forget_some() -> bool:
        more = factory.tidy_up()
        return exactly_once.forget_expired() or more

    forget_expired: Callable[[], bool] = forget_some
    if is_remote:
        # What is behind a network must never keep the loop waiting.
        forget_expired = InBackground(forget_some)
    with closing(adopted or ListeningSocket(config)) as listening:
        status = StatusLine(
            f"pack-db {pack_db.__version__} serves {database.location} at {listening.path}",
            database,
        )

        def housekeeping() -> bool:
            manager.alive()
            if signals.take_reload_request():
                manager.reloading()
                _reload(config)
                manager.ready(status.text)
            if status.update():
                manager.ready(status.text)
            if not listening.is_in_place():
                listening.renew()
                transport.listen_at(listening.fileno())
                _log.warning("somebody removed the socket %s; it is there again", listening.path)
            return _forget_expired(forget_expired)

        transport = _transport(
            config, listening, dispatcher, MessageLog(methods.get), queue, housekeeping
        )
        with closing(transport):
            _log.info("process %d: %s", os.getpid(), status.text)
            manager.ready(status.text)
            transport.serve(signals.wakeup_fd, signals.stop.is_set)
            manager.stopping()


def _transport(
    config: Config,
    listening: AdoptedSocket | ListeningSocket,
    dispatcher: Dispatcher,
    message_log: MessageLog,
    queue: QueueStatistics,
    housekeeping: Callable[[], bool],
) -> Transport:
    fd, path = listening.fileno(), str(listening.path)
    access = AccessControl(config.allowed_uids, config.allowed_gids)
    size = config.max_message_bytes
    handler: RequestHandler
    if config.database_url is not None:
        handler = Workers(dispatcher, queue, config.workers)
    elif config.workers > 1:
        handler = GroupCommit(dispatcher, queue, config.workers)
    else:
        return RepTransport(fd, path, access, message_log, dispatcher, queue, size, housekeeping)
    return RouterTransport(fd, path, access, message_log, handler, size, housekeeping)


def _reload(running: Config) -> None:
    try:
        # Everywhere else a process reads its settings once; here somebody has asked for it.
        fresh = Config().check()
    except ConfigurationError as error:
        _log.error("nothing was re-read: %s", error)
        return
    logging.getLogger().setLevel(fresh.log_level)
    for key in ConfigKeys:
        if key is not ConfigKeys.LOG_LEVEL and fresh.get(key) != running.get(key):
            _log.warning("%s has changed; it takes effect when the daemon is restarted", key)
    _log.info("re-read the log level: %s", fresh.log_level)


def _forget_expired(forget_expired: Callable[[], bool]) -> bool:
    try:
        return forget_expired()
    except StorageError:
        return False  # the database has logged it, and it is tried again
    except Exception:
        _log.exception("cannot prune the reply journal; it is tried again")
        return False
