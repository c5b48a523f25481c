"""`docs/test-vectors.json` is what a client in another language is tested with; so is ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pack_db_client.protocol.packing import VERSION
from pack_db_client.protocol.replies import decode_reply, encode_reply
from pack_db_client.protocol.requests import decode_request, encode_call, encode_request
from tests.docs.account_of_the_vectors import start_with_accounts
from tests.support.daemon_process import DaemonProcess
from tests.support.running_daemon import running_daemon
from tests.wire.raw_client import RawClient, pack

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "docs" / "test-vectors.json").read_text())


def vectors(*kinds: str) -> pytest.MarkDecorator:
    of_kinds = [vector for kind in kinds for vector in VECTORS[kind]]
    return pytest.mark.parametrize("vector", of_kinds, ids=lambda vector: vector["meaning"])


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[DaemonProcess]:
    with running_daemon() as daemon:
        yield daemon


@pytest.fixture
def raw(shared_daemon: DaemonProcess) -> Iterator[RawClient]:
    with RawClient(shared_daemon.socket_path) as client:
        yield client


def test_the_vectors_are_of_the_version_that_is_spoken() -> None:
    assert VECTORS["protocol"] == VERSION


@vectors("requests")
def test_a_request_is_these_bytes(vector: dict[str, Any]) -> None:
    calls = [encode_call(method, arguments) for method, arguments in vector["calls"]]
    client_id = bytes.fromhex(vector["client_id"])
    data = encode_request(client_id, vector["sequence"], vector["deadline"], calls)
    assert data.hex() == vector["hex"]


@vectors("requests")
def test_these_bytes_are_a_request(vector: dict[str, Any]) -> None:
    request = decode_request(bytes.fromhex(vector["hex"]))
    assert request.client_id.hex() == vector["client_id"]
    assert (request.sequence, request.deadline_ns) == (vector["sequence"], vector["deadline"])
    assert [[c.method, c.arguments] for c in request.calls if c] == vector["calls"]


@vectors("replies", "values")
def test_a_reply_is_these_bytes_and_these_bytes_are_a_reply(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    sequence, results, clock_ns = decode_reply(data)
    assert (sequence, results, clock_ns) == tuple(
        vector[name] for name in ("sequence", "results", "clock")
    )
    assert encode_reply(sequence, list(map(pack, results)), clock_ns) == data


def test_the_daemon_really_answers_so(short_path: Path) -> None:
    daemon = start_with_accounts(short_path)
    try:
        with RawClient(daemon.socket_path) as client:
            answered = {
                vector["meaning"]: client.batch(*vector["calls"])
                for vector in VECTORS["replies"]
                if "calls" in vector
            }
            assert client.exchange(b"\xc1").results == VECTORS["replies"][-1]["results"]
    finally:
        daemon.clean_up()
    assert len(answered) == len(VECTORS["replies"]) - 3
    assert answered == {
        vector["meaning"]: vector["results"] for vector in VECTORS["replies"] if "calls" in vector
    }


def test_a_daemon_with_the_service_of_the_values_answers_so() -> None:
    factory = "tests.own_services.values:ValuesFactory"
    settings = {"PYTHONPATH": str(ROOT), "SERVICE_FACTORY": factory}
    with running_daemon(settings) as daemon, RawClient(daemon.socket_path) as client:
        for vector in VECTORS["values"]:
            assert client.batch(*vector["calls"]) == vector["results"], vector["meaning"]


@vectors("refusals")
def test_these_bytes_are_refused(vector: dict[str, Any], raw: RawClient) -> None:
    reply = raw.exchange(bytes.fromhex(vector["hex"]))
    [[code, _, _]] = reply.results
    assert (reply.sequence, code) == (vector["sequence"], vector["code"])
