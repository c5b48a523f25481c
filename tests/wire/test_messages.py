"""The wire format as bytes: what `docs/protocol.md` says, letter by letter."""

from contextlib import suppress
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pack_db.errors import (
    AccountNotFound,
    BadRequest,
    InsufficientTokens,
    PackDbError,
    UnsupportedVersion,
)
from pack_db.interfaces.entities.account import AccountStatus, UpdateAccountInput
from pack_db.interfaces.entities.token import TokenBalance
from pack_db_client.protocol.replies import (
    decode_reply,
    encode_error,
    encode_reply,
    encode_value,
    result_value,
)
from pack_db_client.protocol.requests import (
    Refusal,
    Request,
    decode_request,
    encode_call,
    encode_request,
)
from pack_db_client.protocol.untrusted import MAX_CALLS

CLIENT_ID = bytes(range(16))

CALLS = b"\x91\x92\xabdaemon.ping\x90"  # one call: its method, no arguments
REQUEST = (
    b"\x95"  # an array of five:
    b"\x01"  # version 1
    b"\xc4\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"  # client_id
    b"\x07"  # sequence 7
    b"\xcd\x03\xe8"  # deadline 1000 ns, then the calls
) + CALLS
REPLY = b"\x94\x01\x07\x91\x92\x00\xa50.1.0\xcd\x03\xe8"


def calls_in(request: Request) -> list[tuple[str, Any]]:
    return [(call.method, call.arguments) for call in request.calls if call]


def head_of(request: Request) -> tuple[bytes, int, int]:
    return request.client_id, request.sequence, request.deadline_ns


def test_a_request_in_bytes() -> None:
    call = encode_call("daemon.ping", ())
    assert call == CALLS[1:]
    assert encode_request(CLIENT_ID, 7, 1000, [call]) == REQUEST
    request = decode_request(REQUEST)
    assert head_of(request) == (CLIENT_ID, 7, 1000)
    assert calls_in(request) == [("daemon.ping", [])]


def test_a_reply_in_bytes() -> None:
    assert encode_value("0.1.0") == b"\x92\x00\xa50.1.0"
    assert encode_reply(7, [encode_value("0.1.0")], 1000) == REPLY
    sequence, [result], clock_ns = decode_reply(REPLY)
    assert (sequence, result_value(result), clock_ns) == (7, "0.1.0", 1000)


def test_arguments_travel_as_an_array_or_a_map_and_entities_as_maps() -> None:
    assert encode_call("a.b", (1, None)) == b"\x92\xa3a.b\x92\x01\xc0"
    assert encode_call("a.b", {"limit": 1}) == b"\x92\xa3a.b\x81\xa5limit\x01"
    changes = UpdateAccountInput(status=AccountStatus.INACTIVE)
    assert encode_call("a.b", (changes,)) == (
        b"\x92\xa3a.b\x91\x83\xa5email\xc0\xa9plan_name\xc0\xa6status\x00"
    )
    balance = TokenBalance(account_id="x", token_remaining=1, topup_remaining=-1)
    assert encode_value(balance) == (
        b"\x92\x00\x83\xaaaccount_id\xa1x\xaftoken_remaining\x01\xaftopup_remaining\xff"
    )


def test_an_error_travels_as_its_code_its_message_and_its_numbers() -> None:
    error = InsufficientTokens("too few", requested=5, remaining=3)
    data = encode_error(error)
    assert data == (b"\x93\xb3insufficient_tokens\xa7too few\x82\xa9requested\x05\xa9remaining\x03")
    with pytest.raises(InsufficientTokens, match="too few") as caught:
        result_value(msgpack.unpackb(data))
    assert (caught.value.requested, caught.value.remaining) == (5, 3)


def test_an_error_of_a_newer_daemon_is_still_an_error_of_pack_db() -> None:
    with pytest.raises(PackDbError, match="news") as caught:
        result_value(["from_the_future", "news", {"when": 1}])
    assert type(caught.value) is PackDbError
    assert (caught.value.code, caught.value.details) == ("from_the_future", {"when": 1})


@pytest.mark.parametrize(
    ("data", "error", "sequence"),
    [
        (b"", BadRequest, 0),
        (b"\xc1", BadRequest, 0),
        (REQUEST[:-1], BadRequest, 0),
        (REQUEST + b"\x00", BadRequest, 0),
        (b"\x90", BadRequest, 0),
        (b"\x80", BadRequest, 0),
        (b"\xc0", BadRequest, 0),
        (b"\x91\x02", UnsupportedVersion, 0),
        (REQUEST.replace(b"\x95\x01", b"\x95\x02"), UnsupportedVersion, 7),
        (REQUEST.replace(b"\x95\x01", b"\x95\xc3"), BadRequest, 7),
        (REQUEST.replace(b"\x95\x01", b"\x94\x01").removesuffix(CALLS), BadRequest, 7),
        (REQUEST.replace(b"\xc4\x10\x00", b"\xc4\x0f"), BadRequest, 7),
        (REQUEST.replace(b"\xc4\x10", b"\xb0"), BadRequest, 7),
        (REQUEST.replace(b"\x07\xcd", b"\x00\xcd"), BadRequest, 0),
        (REQUEST.replace(b"\x07\xcd", b"\xff\xcd"), BadRequest, 0),
        (REQUEST.replace(b"\x07\xcd", b"\xc3\xcd"), BadRequest, 0),
        (REQUEST.replace(b"\x07\xcd", b"\xcf\x80" + b"\0" * 7 + b"\xcd"), BadRequest, 0),
        (REQUEST.replace(b"\xcd\x03\xe8", b"\xff"), BadRequest, 7),
        (REQUEST.replace(b"\xcd\x03\xe8", b"\xc2"), BadRequest, 7),
        (REQUEST.replace(CALLS, b"\x90"), BadRequest, 7),
        (REQUEST.replace(CALLS, b"\xc0"), BadRequest, 7),
    ],
)
def test_bytes_that_are_no_request_are_refused_with_their_sequence_if_it_can_be_read(
    data: bytes, error: type[PackDbError], sequence: int
) -> None:
    with pytest.raises(Refusal) as caught:
        decode_request(data)
    assert type(caught.value.error) is error
    assert caught.value.sequence == sequence


def test_a_message_carries_1024_calls_at_most() -> None:
    call = encode_call("a.b", ())
    most = encode_request(CLIENT_ID, 1, 0, [call] * MAX_CALLS)
    assert len(decode_request(most).calls) == MAX_CALLS == 1024
    with pytest.raises(Refusal):
        decode_request(encode_request(CLIENT_ID, 1, 0, [call] * (MAX_CALLS + 1)))


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\xc0", b"\x07", b"\x90", b"\x92\x01\x07", REPLY + b"\0", b"HTTP/1.1 400"],
)
def test_bytes_that_are_no_reply_are_a_bad_request(data: bytes) -> None:
    with pytest.raises(BadRequest):
        decode_reply(data)


def test_a_reply_of_another_version_says_so() -> None:
    with pytest.raises(UnsupportedVersion, match="2"):
        decode_reply(REPLY.replace(b"\x94\x01", b"\x94\x02"))


wire_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=10,
)
fuzz = settings(derandomize=True, deadline=None, max_examples=100)


@fuzz
@given(
    client_id=st.binary(min_size=16, max_size=16),
    sequence=st.integers(1, 2**63 - 1),
    deadline_ns=st.integers(0, 2**64 - 1),
    calls=st.lists(
        st.tuples(st.text(), st.lists(wire_values) | st.dictionaries(st.text(), wire_values)),
        min_size=1,
        max_size=40,
    ),
)
def test_what_was_encoded_is_decoded(
    client_id: bytes,
    sequence: int,
    deadline_ns: int,
    calls: list[tuple[str, list[object] | dict[str, object]]],
) -> None:
    data = encode_request(client_id, sequence, deadline_ns, [encode_call(*call) for call in calls])
    request = decode_request(data)
    assert head_of(request) == (client_id, sequence, deadline_ns)
    assert calls_in(request) == calls


@fuzz
@given(sequence=st.integers(0, 2**63 - 1), values=st.lists(wire_values, max_size=40))
def test_results_that_were_encoded_are_decoded(sequence: int, values: list[object]) -> None:
    reply = encode_reply(sequence, [encode_value(value) for value in values], 1)
    decoded_sequence, results, _ = decode_reply(reply)
    assert decoded_sequence == sequence
    assert [result_value(result) for result in results] == values


@fuzz
@given(message=st.text(), account_id=st.text())
def test_an_error_that_was_encoded_is_raised(message: str, account_id: str) -> None:
    data = encode_error(AccountNotFound(message, account_id=account_id))
    with pytest.raises(AccountNotFound) as caught:
        result_value(msgpack.unpackb(data))
    assert str(caught.value) == message
    assert caught.value.details == {"account_id": account_id}


@fuzz
@given(data=st.binary() | wire_values.map(msgpack.packb))
def test_arbitrary_bytes_raise_nothing_but_a_refusal(data: bytes) -> None:
    with suppress(Refusal):
        assert len(decode_request(data).client_id) == 16


@fuzz
@given(
    position=st.integers(0, len(REQUEST)),
    inserted=st.binary(max_size=8),
    removed=st.integers(0, 4),
)
def test_a_damaged_request_raises_nothing_but_a_refusal(
    position: int, inserted: bytes, removed: int
) -> None:
    damaged = REQUEST[:position] + inserted + REQUEST[position + removed :]
    with suppress(Refusal):
        assert decode_request(damaged).calls
