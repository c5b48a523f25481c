import random
import threading
import time
from pathlib import Path

from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess

_CLIENTS = 100
_ROUNDS = 6


def test_clients_dropped_while_their_daemon_dies_leave_the_process_able_to_connect(
    short_path: Path,
) -> None:
    """libzmq's one thread of the process tells of a lost connection, and must not wait for
    somebody who has gone."""
    daemon = DaemonProcess(short_path)
    daemon.start()
    try:
        for _ in range(_ROUNDS):
            clients = [PackDb(daemon.socket_path) for _ in range(_CLIENTS)]
            for client in clients:
                client.ping()
            del client
            killing = threading.Thread(target=daemon.kill)
            killing.start()
            time.sleep(random.uniform(0, 0.003))  # the moment of the fault, not a wait
            clients.clear()
            killing.join()
            daemon.start()
            with daemon.client() as db:
                assert db.ping()
    finally:
        daemon.clean_up()
