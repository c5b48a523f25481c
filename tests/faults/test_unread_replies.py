"""Peers that ask on and on, and leave the answers to the daemon."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import zmq

from pack_db_client import CreateAccountInput
from pack_db_client.protocol.replies import decode_reply
from tests.faults.conditions import memory_mib, wait_until
from tests.faults.good_client import good_client
from tests.faults.zmtp_peer import ZmtpPeer, req_message
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.wire.raw_client import deadline_in, request

_PEERS = 50
_LARGE = ["accounts.list_accounts", {"limit": 500}]  # its reply has 180 KB


@pytest.fixture(params=["1", "8"], ids=["one_by_one", "together"])
def daemon(request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    with running_daemon({"WORKERS": request.param}) as daemon:
        with daemon.client() as db, db.batch() as batch:
            for number in range(500):
                email = f"{'x' * 150}{number}@example.com"
                batch.submit(db.accounts.create_account, CreateAccountInput(email=email))
        yield daemon


class _Asker:
    """Sends a request as often as the daemon takes it, and reads nothing."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._peer = ZmtpPeer(daemon.socket_path)
        self._peer.shake_hands()
        self._peer.set_blocking(False)
        self._message = req_message(request(_LARGE, deadline_ns=deadline_in(600)))
        self._left = b""

    def ask_on(self) -> bool:
        """False once the daemon has closed the connection."""
        self._left = self._left or self._message * 100
        try:
            self._left = self._left[self._peer.send_some(self._left) :]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def close(self) -> None:
        self._peer.close()


def test_row_72_replies_that_nobody_reads_take_a_bounded_number_of_bytes(
    daemon: DaemonProcess,
) -> None:
    before = memory_mib(daemon.pid)
    most = 0.0
    with good_client(daemon.socket_path) as good, ExitStack() as stack:
        askers = []
        for _ in range(_PEERS):
            askers.append(_Asker(daemon))
            stack.callback(askers[-1].close)

        def all_are_cut_off() -> bool:
            nonlocal askers, most
            askers = [asker for asker in askers if asker.ask_on()]
            most = max(most, memory_mib(daemon.pid))
            return not askers

        wait_until(all_are_cut_off, "all were cut off")
        good.wait_for_answers(20)
    # 64 MiB of replies, and what malloc makes of it; over 400 MiB if only their number is bounded.
    assert most < before + 250
    assert daemon.log.count("it does not read its replies") == 1


def test_row_72_a_peer_that_reads_its_large_replies_gets_each(daemon: DaemonProcess) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with ExitStack() as stack:
        stack.callback(context.destroy, linger=0)
        dealer = context.socket(zmq.DEALER)
        dealer.rcvtimeo = int(PATIENCE_S * 1000)
        dealer.connect(f"ipc://{daemon.socket_path}")
        for number in range(600):  # 100 MB, of which 1.4 MB are on their way
            dealer.send_multipart([b"", request(_LARGE, deadline_ns=deadline_in(60))])
            if number >= 8:
                [result] = decode_reply(dealer.recv_multipart()[1])[1]
                assert result[0] == 0
    assert "it does not read its replies" not in daemon.log
