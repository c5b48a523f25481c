from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pack_db.interfaces.entities.account import Account, CreateAccountInput
from pack_db_client import PackDb
from tests.support.daemon_process import DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.wire.raw_client import RawClient

Refused = Callable[[bytes], str]


@pytest.fixture(scope="package", params=["1", "8"], ids=["one_by_one", "together"])
def wire_daemon(request: pytest.FixtureRequest) -> Iterator[DaemonProcess]:
    """A daemon that takes messages of 2 MiB, so that no transport limit hides what is behind."""
    settings = {"MAX_MESSAGE_BYTES": str(2**21), "WORKERS": request.param}
    with running_daemon(settings) as daemon:
        yield daemon


@pytest.fixture(scope="package")
def good_client(wire_daemon: DaemonProcess) -> Iterator[PackDb]:
    with wire_daemon.client() as client:
        yield client


@pytest.fixture(scope="package")
def account(good_client: PackDb) -> Account:
    return good_client.accounts.create_account(CreateAccountInput(email="wire@example.com"))


@pytest.fixture
def raw(wire_daemon: DaemonProcess) -> Iterator[RawClient]:
    with RawClient(wire_daemon.socket_path) as client:
        yield client


@pytest.fixture
def everything(good_client: PackDb) -> Callable[[], Any]:
    """Reads all accounts and all their ledgers."""

    def read() -> Any:
        accounts = good_client.accounts.list_accounts(limit=500)
        return [(a, good_client.tokens.list_entries(a.id, limit=500)) for a in accounts]

    return read


@pytest.fixture
def refused(raw: RawClient, account: Account, everything: Callable[[], Any]) -> Refused:
    """Sends a message and sees that it is refused as it must be; gives the error's code."""

    def send(message: bytes) -> str:
        before = everything()
        reply = raw.exchange(message)
        [[code, text, details]] = reply.results
        assert isinstance(text, str)
        assert text
        assert details == {}
        assert reply.size < 300, "the reply echoes the input"
        # The same connection goes on, and nothing was written.
        ok, balance = raw.call("tokens.get_balance", [account.id])
        assert (ok, balance["account_id"]) == (0, account.id)
        assert everything() == before
        assert isinstance(code, str)
        return code

    return send
