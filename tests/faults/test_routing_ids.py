"""Connections that choose the routing id of another one."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import zmq

from tests.faults.conditions import memory_mib
from tests.faults.good_client import good_client
from tests.faults.zmtp_peer import ZmtpPeer, req_message
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.wire.raw_client import request

_PEERS = 300
_BODY = bytes(200_000)


@pytest.fixture(params=["1", "8"], ids=["one_by_one", "together"])
def daemon(request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    with running_daemon({"WORKERS": request.param}) as daemon:
        yield daemon


def test_row_73_what_connections_with_one_routing_id_send_is_read_and_freed(
    daemon: DaemonProcess,
) -> None:
    before = memory_mib(daemon.pid)
    with good_client(daemon.socket_path), ExitStack() as stack:
        for _ in range(_PEERS):
            peer = stack.enter_context(ZmtpPeer(daemon.socket_path))
            peer.shake_hands({b"Identity": b"the same for all"})
            peer.send(req_message(_BODY))
            assert peer.reply()
        assert memory_mib(daemon.pid) < before + 40  # 60 MB if what was sent stayed


def test_row_73_a_client_with_a_fixed_routing_id_may_connect_for_each_call(
    daemon: DaemonProcess,
) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    for _ in range(100):
        with context.socket(zmq.REQ) as client:
            client.linger = 0
            client.rcvtimeo = int(PATIENCE_S * 1000)
            client.routing_id = b"honest"
            client.connect(f"ipc://{daemon.socket_path}")
            client.send(request(["daemon.ping", []]))
            assert client.recv()
    context.term()
