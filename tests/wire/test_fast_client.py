from collections.abc import Iterator

import pytest
import zmq

from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.wire.raw_client import request

CALLS = 5_000


@pytest.fixture
def dealer(wire_daemon: DaemonProcess) -> "Iterator[zmq.Socket[bytes]]":
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.rcvtimeo = int(PATIENCE_S * 1000)
    socket.connect(f"ipc://{wire_daemon.socket_path}")
    yield socket
    context.destroy(linger=0)


@pytest.mark.parametrize("in_flight", [1, 8, 64])
def test_a_client_that_reads_its_replies_gets_each_of_them(
    dealer: "zmq.Socket[bytes]", in_flight: int
) -> None:
    # libzmq drops replies above the high-water mark of the daemon's socket, and counts those
    # that were read only now and then.
    ping = [b"", request(["daemon.ping", []])]
    for _ in range(in_flight):
        dealer.send_multipart(ping)
    for _ in range(CALLS - in_flight):
        dealer.recv_multipart()
        dealer.send_multipart(ping)
    for _ in range(in_flight):
        dealer.recv_multipart()
