"""Rows 16 to 27 of the table of faults: a proper REQ socket with a bad body."""

import os
import struct
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from pack_db.interfaces.entities.account import Account
from pack_db_client.protocol.untrusted import MAX_CALLS
from tests.contract.test_accounts import NOBODY, SENDABLE_EMAILS
from tests.support.daemon_process import DaemonProcess
from tests.wire.conftest import Refused
from tests.wire.raw_client import CLIENT_ID, RawClient, deadline_in, pack, request

MAX_32 = b"\xff\xff\xff\xff"
MARK = "do-not-echo"


def top_up(account: Account, amount: Any = 1) -> list[Any]:
    return ["tokens.top_up", [account.id, amount]]


def around(inner: bytes, account: Account) -> list[bytes]:
    """The bytes as a whole message, as its calls, as arguments, and as one argument."""

    def head() -> bytes:
        return b"\x95\x01" + pack(os.urandom(16)) + pack(1) + pack(deadline_in(5))

    call = b"\x91\x92" + pack("tokens.top_up")
    return [
        inner,
        head() + inner,
        head() + call + inner,
        head() + call + b"\x92" + pack(account.id) + inner,
    ]


def test_row_16_a_message_that_is_not_one_whole_msgpack_value(
    refused: Refused, account: Account
) -> None:
    good = request(top_up(account))
    broken = [b"", b"\xc1", good[:-1], good[:10], good[:1], good + b"\0", good + good]
    assert {refused(message) for message in broken} == {"bad_request"}


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_row_16_a_message_that_ends_too_early(refused: Refused, account: Account, cut: int) -> None:
    assert refused(request(top_up(account))[:-1][:cut]) == "bad_request"


@pytest.mark.parametrize("header", [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"])
def test_row_17_a_header_that_announces_4_gib(
    refused: Refused, account: Account, header: bytes
) -> None:
    announced = header + MAX_32 + (b"\x05" if header == b"\xc9" else b"")
    assert {refused(message) for message in around(announced, account)} == {"bad_request"}


@pytest.mark.parametrize("depth", [1024, 1025, 100_000])
@pytest.mark.parametrize("level", [b"\x91", b"\x81\xa1a"])
def test_row_18_nesting(refused: Refused, account: Account, depth: int, level: bytes) -> None:
    nested = level * depth + b"\xc0"
    whole, *parts = around(nested, account)
    assert refused(whole) == "bad_request"
    assert {refused(message) for message in parts} <= {"bad_request", "invalid_input"}


def test_row_19_a_mebibyte_of_empty_maps_claims_no_memory(
    refused: Refused, account: Account, wire_daemon: DaemonProcess
) -> None:
    count = 2**20
    maps = b"\xdd" + struct.pack(">I", count) + b"\x80" * count
    before = peak_memory_bytes(wire_daemon)
    assert {refused(message) for message in around(maps, account)} == {"bad_request"}
    assert peak_memory_bytes(wire_daemon) - before < 32 * 2**20


def test_row_19_empty_maps_in_arrays_that_are_short_enough(
    raw: RawClient, refused: Refused, account: Account, wire_daemon: DaemonProcess
) -> None:
    """As many as the largest message of a daemon with the default settings can carry."""
    row = b"\xdc\x0f\xff" + b"\x80" * 4095
    rows = b"\xdc\x00\x3f" + row * 63
    before = peak_memory_bytes(wire_daemon)
    whole, as_calls, *as_arguments = around(rows, account)
    codes = {refused(message) for message in (whole, *as_arguments)}
    assert codes <= {"bad_request", "invalid_input"}
    assert {result[0] for result in raw.exchange(as_calls).results} == {"bad_request"}
    assert peak_memory_bytes(wire_daemon) - before < 64 * 2**20


def peak_memory_bytes(daemon: DaemonProcess) -> int:
    with open(f"/proc/{daemon.pid}/status") as lines:
        [kib] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kib) * 1024


@pytest.mark.parametrize(
    "value",
    [None, 5, "text", {}, [], [1], [1, CLIENT_ID, 1, 0], [1, CLIENT_ID, 1, 0, [], []], b"bytes"],
)
def test_row_20_not_an_array_of_five(refused: Refused, value: Any) -> None:
    assert refused(pack(value)) == "bad_request"


@pytest.mark.parametrize("version", [0, 2, 255, 2**64 - 1, -1])
def test_row_20_a_version_that_is_not_spoken(
    refused: Refused, account: Account, version: int
) -> None:
    assert refused(request(top_up(account), version=version)) == "unsupported_version"


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": True},
        {"version": 1.0},
        {"version": "1"},
        {"client_id": b""},
        {"client_id": b"x" * 15},
        {"client_id": b"x" * 17},
        {"client_id": "x" * 16},
        {"client_id": None},
        {"client_id": 16},
        {"sequence": 0},
        {"sequence": -1},
        {"sequence": 2**63},
        {"sequence": 2**64 - 1},
        {"sequence": 1.0},
        {"sequence": True},
        {"sequence": "1"},
        {"sequence": [1]},
        {"deadline_ns": -1},
        {"deadline_ns": 1.5},
        {"deadline_ns": True},
        {"deadline_ns": "soon"},
    ],
    ids=str,
)
def test_row_20_a_field_of_the_wrong_kind(
    refused: Refused, account: Account, wrong: dict[str, Any]
) -> None:
    assert refused(request(top_up(account), **wrong)) == "bad_request"


def test_row_20_what_can_be_read_of_a_refused_message_is_answered_with_its_sequence(
    raw: RawClient,
) -> None:
    assert raw.exchange(request(client_id=b"", sequence=77)).sequence == 77
    assert raw.exchange(request(version=9, sequence=78)).sequence == 78
    assert raw.exchange(b"\xc1").sequence == 0


@pytest.mark.parametrize(
    "method",
    [
        "",
        ".",
        "..",
        "accounts",
        "accounts.",
        ".get_account",
        "accounts.__init__",
        "accounts.__class__",
        "accounts._database",
        "accounts._select",
        "accounts.get_account.__call__",
        "accounts.get_account\0",
        "accounts\0.get_account",
        "Accounts.get_account",
        "accounts.get_Account",
        " accounts.get_account",
        "journal.prune",
        "reply_journal.find",
        "daemon.stop",
        MARK * 6000,
    ],
    ids=lambda method: repr(method[:40]),
)
def test_row_21_a_method_that_is_not_there(raw: RawClient, refused: Refused, method: str) -> None:
    assert refused(request([method, []])) == "unknown_method"
    assert MARK.encode() not in raw.exchange(request([method, []])).data


@pytest.mark.parametrize(
    "call",
    [
        None,
        5,
        "tokens.get_balance",
        [],
        ["tokens.get_balance"],
        ["tokens.get_balance", []] * 2,
        [5, []],
        [b"tokens.get_balance", []],
        [None, []],
        ["tokens.get_balance", None],
        ["tokens.get_balance", "text"],
        ["tokens.get_balance", 5],
        {"method": "tokens.get_balance", "arguments": []},
    ],
    ids=str,
)
def test_row_22_a_call_of_the_wrong_shape_fails_alone(
    raw: RawClient, account: Account, call: Any
) -> None:
    before = raw.call("tokens.get_balance", [account.id])[1]["topup_remaining"]
    results = raw.batch(top_up(account), call, top_up(account))
    assert [result[0] for result in results] == [0, "bad_request", 0]
    assert results[2][1]["topup_remaining"] == before + 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["{id}"],
        ["{id}", 1, 2],
        {},
        {"account_id": "{id}"},
        {"account_id": "{id}", "amount": 1, "surplus": 1},
        {"account_id": "{id}", "amount": 1, MARK * 6000: 1},
        {"account_id": "{id}", "Amount": 1},
        {"account_id": "{id}", "amount": 1, "self": None},
        [None, 1],
        [["{id}"], 1],
        [{}, 1],
        [b"{id}", 1],
        [MARK * 6000, 1],
    ],
    ids=lambda arguments: str(arguments)[:60],
)
def test_row_22_wrong_missing_and_surplus_arguments(
    raw: RawClient, refused: Refused, account: Account, arguments: Any
) -> None:
    def filled(value: Any) -> Any:
        return account.id if value == "{id}" else value

    if isinstance(arguments, dict):
        arguments = {key: filled(value) for key, value in arguments.items()}
    else:
        arguments = [filled(value) for value in arguments]
    assert refused(request(["tokens.top_up", arguments])) == "invalid_input"
    assert MARK.encode() not in raw.exchange(request(["tokens.top_up", arguments])).data


def test_row_22_a_map_with_keys_that_are_not_text(refused: Refused, account: Account) -> None:
    keys: list[Any] = [0, -1, b"amount", None, True, 1.5]
    for key in keys:
        arguments = {"account_id": account.id, key: 1}
        assert refused(request(["tokens.top_up", arguments])) == "bad_request"


def test_row_22_a_map_with_one_key_twice(refused: Refused, account: Account) -> None:
    arguments = b"\x83" + pack("account_id") + pack(account.id) + (pack("amount") + pack(1)) * 2
    *_, as_arguments, as_argument = around(arguments, account)
    assert refused(as_arguments) == "bad_request"
    assert refused(as_argument) == "bad_request"


def test_row_22_a_map_with_a_key_that_cannot_be_one(refused: Refused, account: Account) -> None:
    for key in (b"\x90", b"\x80", b"\x91\x01"):
        *_, as_arguments, _ = around(b"\x81" + key + b"\x01", account)
        assert refused(as_arguments) == "bad_request"


@pytest.mark.parametrize(
    "amount",
    [
        *(-1, 2**53, 2**63, 2**64 - 1, -(2**63)),
        *(1.0, 1.5, float("nan"), float("inf"), True, "1", b"1", [1], {}),
    ],
    ids=str,
)
def test_row_23_amounts(refused: Refused, account: Account, amount: Any) -> None:
    new = {"email": "never@example.com"}
    for call in (
        top_up(account, amount),
        ["tokens.consume_tokens", [account.id, amount]],
        ["tokens.consume_tokens", {"account_id": account.id, "amount": amount}],
        ["tokens.renew_plan", [account.id, amount]],
        ["accounts.create_account", [new | {"token_remaining": amount}]],
        ["accounts.create_account", [new | {"topup_remaining": amount}]],
    ):
        assert refused(request(call)) == "invalid_input"


def test_row_23_nothing_is_no_amount(refused: Refused, account: Account) -> None:
    for amount in (0, None):
        assert refused(request(top_up(account, amount))) == "invalid_input"


@pytest.mark.parametrize("email", SENDABLE_EMAILS.values(), ids=SENDABLE_EMAILS.keys())
def test_row_24_addresses(raw: RawClient, refused: Refused, account: Account, email: str) -> None:
    assert refused(request(["accounts.create_account", [{"email": email}]])) == "invalid_input"
    assert raw.call("accounts.get_account_by_email", [email]) == [0, None]
    change = ["accounts.update_account", [account.id, {"email": email}]]
    assert refused(request(change)) == "invalid_input"


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", "' OR 1=1 --", "\u202e", "e\u0301", "א", MARK * 90_000]
)
def test_row_24_text(raw: RawClient, refused: Refused, account: Account, text: str) -> None:
    assert raw.call("accounts.get_account", [text]) == [0, None]
    assert refused(request(["tokens.list_entries", [text]])) == "invalid_input"
    assert refused(request(["accounts.list_accounts", [text]])) == "invalid_input"
    assert refused(request(["accounts.authenticate", [text]])) == "invalid_api_key"
    assert refused(request(["accounts.delete_account", [text]])) == "invalid_input"
    email = {"email": f"{text}@"}
    assert refused(request(["accounts.create_account", [email]])) == "invalid_input"


@pytest.mark.parametrize(
    "text", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"abc\xe2\x82"]
)
def test_row_24_text_that_is_not_utf_8(refused: Refused, account: Account, text: bytes) -> None:
    as_text = bytes([0xA0 | len(text)]) + text
    assert {refused(message) for message in around(as_text, account)} == {"bad_request"}


@pytest.mark.parametrize(
    "ext",
    [
        b"\xd4\x05\x00",
        b"\xd8\x05" + b"\0" * 16,
        b"\xc7\x00\x05",
        b"\xc7\x03\x05abc",
        b"\xd6\xff" + b"\0" * 4,
        b"\xd7\xff" + b"\xff" * 8,
        b"\xc7\x0c\xff" + b"\0" * 4 + b"\x7f" + b"\xff" * 7,
        b"\xc7\x00\xff",
    ],
    ids=["fixext1", "fixext16", "empty", "ext8", "time32", "time64", "far time96", "empty time"],
)
def test_row_25_extension_types_and_timestamps(
    refused: Refused, account: Account, ext: bytes
) -> None:
    codes = {refused(message) for message in around(ext, account)}
    assert codes <= {"bad_request", "invalid_input"}


def test_row_25_an_extension_type_is_refused_where_an_unknown_field_would_be_ignored(
    refused: Refused, account: Account
) -> None:
    for ext in (b"\xd4\x05\x00", b"\xc7\x00\x05", b"\xd6\xff" + b"\0" * 4):
        entity = b"\x82" + pack("email") + pack("ext@example.com") + pack("unknown") + ext
        *_, as_arguments, _ = around(b"\x91" + entity, account)
        message = as_arguments.replace(pack("tokens.top_up"), pack("accounts.create_account"))
        assert refused(message) == "bad_request"


def test_row_26_a_batch_of_none_is_refused(refused: Refused) -> None:
    assert refused(request()) == "bad_request"


def test_row_26_a_batch_of_one_more_than_the_most_is_refused_whole(
    refused: Refused, account: Account
) -> None:
    assert refused(request(*[top_up(account)] * (MAX_CALLS + 1))) == "bad_request"


def test_row_26_a_batch_of_the_most_is_served_as_far_as_its_time_goes(
    raw: RawClient, account: Account
) -> None:
    before = raw.call("tokens.get_balance", [account.id])[1]["topup_remaining"]
    left = MAX_CALLS
    while left:
        results = raw.exchange(request(*[top_up(account)] * left)).results
        assert len(results) == left
        done = [result[1]["topup_remaining"] for result in results if result[0] == 0]
        assert done == [before + number for number in range(1, len(done) + 1)]
        assert [result[0] for result in results] == [0] * len(done) + ["not_started"] * (
            left - len(done)
        )
        assert done
        before, left = done[-1], left - len(done)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (["tokens.top_up", [NOBODY, 1]], "account_not_found"),
        (["tokens.top_up", [NOBODY, 1.5]], "invalid_input"),
        (["tokens.top_up", [NOBODY, 1, 1]], "invalid_input"),
        (["tokens.steal", []], "unknown_method"),
        (["accounts.create_account", [{"email": "WIRE@example.com"}]], "email_taken"),
    ],
)
def test_row_26_a_bad_call_undoes_itself_alone(
    raw: RawClient, account: Account, bad: Any, code: str
) -> None:
    before = raw.call("tokens.get_balance", [account.id])[1]["topup_remaining"]
    results = raw.batch(top_up(account), bad, top_up(account))
    assert [result[0] for result in results] == [0, code, 0]
    after = raw.call("tokens.get_balance", [account.id])[1]["topup_remaining"]
    assert after == before + 2


def test_row_27_a_message_past_its_deadline_is_not_started(
    refused: Refused, account: Account
) -> None:
    for deadline_ns in (1, deadline_in(-60)):
        message = request(top_up(account), deadline_ns=deadline_ns)
        assert refused(message) == "deadline_passed"
        query = request(["tokens.get_balance", [account.id]], deadline_ns=deadline_ns)
        assert refused(query) == "deadline_passed"


def test_row_27_a_write_needs_a_deadline_that_is_near(refused: Refused, account: Account) -> None:
    for deadline_ns in (0, deadline_in(3600), 2**63 - 1, 2**63, 2**64 - 1):
        assert refused(request(top_up(account), deadline_ns=deadline_ns)) == "bad_request"


def test_row_27_a_query_may_have_no_deadline_or_a_far_one(raw: RawClient, account: Account) -> None:
    for deadline_ns in (0, deadline_in(3600), 2**64 - 1):
        message = request(["tokens.get_balance", [account.id]], deadline_ns=deadline_ns)
        [[ok, _]] = raw.exchange(message).results
        assert ok == 0


def test_a_bad_message_is_no_concern_of_the_log(
    raw: RawClient, wire_daemon: DaemonProcess, everything: Callable[[], Any]
) -> None:
    raw.exchange(request([MARK, [MARK]]))
    raw.call("accounts.authenticate", [MARK])
    everything()
    assert MARK not in wire_daemon.log
    assert "Traceback" not in wire_daemon.log


def test_an_unknown_field_of_an_argument_is_refused_as_it_may_be_a_typing_error(
    raw: RawClient, refused: Refused, account: Account
) -> None:
    change = {"plan_name": account.plan_name, MARK * 100: "blue"}
    message = request(["accounts.update_account", [account.id, change]])
    assert refused(message) == "invalid_input"
    assert MARK.encode() not in raw.exchange(message).data
    new = {"email": "typo@example.com", "token_remainin": 5}
    assert refused(request(["accounts.create_account", {"account": new}])) == "invalid_input"


def test_what_was_read_can_be_written(raw: RawClient, account: Account) -> None:
    ok, value = raw.call("accounts.get_account", [account.id])
    assert ok == 0
    assert msgpack.unpackb(pack(value)) == value


def test_a_method_that_could_be_one_is_named_with_where_services_come_from(raw: RawClient) -> None:
    [[code, message, _]] = raw.exchange(request(["notes.add_note", []])).results
    assert code == "unknown_method"
    assert message.startswith("this daemon has no method notes.add_note; ")
    assert "SERVICE_FACTORY" in message
