import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pack_db.errors import NotStarted
from pack_db_client import CreateAccountInput, PackDb
from pack_db_client.protocol.replies import encode_error, encode_reply, encode_value
from pack_db_client.protocol.requests import Request
from tests.exactly_once.crashing_daemon import crashing_daemon_command
from tests.exactly_once.fake_daemon import answer_nothing, fake_daemon
from tests.support.daemon_process import PATIENCE_S, DaemonProcess
from tests.support.running_daemon import running_daemon

VECTORS = Path(__file__).parents[2] / "docs" / "test-vectors.json"
NodeProcess = subprocess.Popen[str]
StartNode = Callable[..., NodeProcess]

# Runs a program that has `db` and prints what it returns as JSON.
PROGRAM = """
import { PackDb, PackDbError } from "./pack-db.js";
import { decode, encode } from "@msgpack/msgpack";
import { readFileSync } from "node:fs";
const [socketPath, timeoutMs, ...args] = process.argv.slice(1);
const db = new PackDb(socketPath, { timeoutMs: Number(timeoutMs) });
const result = await (async () => { %s })().catch((error) => ({ code: error.code }));
console.log(JSON.stringify(result));
db.close();
"""


@pytest.fixture
def start_node(project: Path) -> Iterator[StartNode]:
    started: list[NodeProcess] = []

    def start(socket_path: Path, program: str, *args: str, timeout_s: float = 20) -> NodeProcess:
        words = [str(socket_path), str(int(timeout_s * 1000)), *args]
        process = subprocess.Popen(
            ["node", "--input-type=module", "--eval", PROGRAM % program, "--", *words],
            cwd=project,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def result(process: NodeProcess) -> Any:
    output, _ = process.communicate(timeout=PATIENCE_S)
    return json.loads(output)


def new_account(db: PackDb) -> str:
    account = CreateAccountInput(email="node@example.com", token_remaining=1000)
    return db.accounts.create_account(account).id


def consumptions(db: PackDb, account_id: str) -> list[int]:
    return [-e.amount for e in db.tokens.list_entries(account_id) if e.kind == "consumption"]


CONSUME = 'return await db.call("tokens.consume_tokens", [args[0], 10]);'


def test_the_example_meters_an_account(daemon: DaemonProcess, db: PackDb, project: Path) -> None:
    new_account(db)

    def meter(email: str, tokens: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["node", "meter.js", daemon.socket_path, email, tokens],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    assert meter("node@example.com", "120").stdout == "node@example.com: 880 tokens left\n"
    poor = meter("node@example.com", "881")
    assert (poor.returncode, "(insufficient_tokens)" in poor.stdout) == (1, True)
    nobody = meter("nobody@example.com", "1")
    assert (nobody.returncode, "(account_not_found)" in nobody.stdout) == (1, True)


def test_the_bytes_are_those_of_the_test_vectors(
    daemon: DaemonProcess, start_node: StartNode
) -> None:
    program = """
        const vectors = JSON.parse(readFileSync(args[0]));
        const hex = (value) => Buffer.from(encode(value, { useBigInt64: true })).toString("hex");
        const wrong = [];
        for (const v of vectors.requests) {
            const deadline = v.deadline ? BigInt(v.deadline) : 0;
            const id = Buffer.from(v.client_id, "hex");
            if (hex([1, id, v.sequence, deadline, v.calls]) !== v.hex) wrong.push(v.meaning);
        }
        for (const v of [...vectors.replies, ...vectors.values]) {
            const decoded = JSON.stringify(decode(Buffer.from(v.hex, "hex")));
            const expected = [1, v.sequence, v.results, v.clock];
            if (decoded !== JSON.stringify(expected)) wrong.push(v.meaning);
        }
        return [vectors.requests.length + vectors.replies.length > 0, wrong];
    """
    assert result(start_node(daemon.socket_path, program, str(VECTORS))) == [True, []]


def test_values_that_travel_as_text_are_read_and_sent(start_node: StartNode) -> None:
    factory = "tests.own_services.values:ValuesFactory"
    program = """
        const at = new Date("2027-01-31T12:00:00.250Z");
        const label = { text: "gift", since: "1999-12-31" };
        const order = { id: args[0], at, state: "done", lines: [], by_day: { a: "1E+3" }, label };
        const returned = await db.call("values.order", { value: order });
        const { details } = await db.call("values.refuse", [
          { ...order, lines: [{ article: args[0], price: "0.10" }] },
        ]).catch((error) => error);
        return [
          new Date(await db.call("values.moment", [at])).getTime() === at.getTime(),
          new Date(returned.at).getTime() === at.getTime(),
          new Date(details.at).getTime() === at.getTime(),
          [returned.id, returned.by_day, returned.label, details.price],
          (await db.batch([["values.price", [1.5]]]))[0].code,
        ];
    """
    an_id = "01932c07-9d3e-7c55-8a2f-3f5d0c9b1e42"
    label = {"text": "gift", "since": "1999-12-31"}
    settings = {"PYTHONPATH": str(VECTORS.parents[1]), "SERVICE_FACTORY": factory}
    with running_daemon(settings) as daemon:
        answered = result(start_node(daemon.socket_path, program, an_id))
    values = [an_id, {"a": "1E+3"}, label, "0.10"]
    assert answered == [True, True, True, values, "invalid_input"]


def test_a_batch_gives_a_value_or_an_error_for_each_call(
    daemon: DaemonProcess, db: PackDb, start_node: StartNode
) -> None:
    program = """
        const consume = (amount) => ["tokens.consume_tokens", [args[0], amount]];
        const results = await db.batch([consume(1), consume(5000), consume(2)]);
        return results.map((r) => (r instanceof PackDbError ? r.details : r.token_remaining));
    """
    account_id = new_account(db)
    answered = result(start_node(daemon.socket_path, program, account_id))
    assert answered == [999, {"requested": 5000, "remaining": 999}, 997]


def test_many_calls_at_once_each_get_their_own_answer(
    daemon: DaemonProcess, db: PackDb, start_node: StartNode
) -> None:
    program = """
        const amounts = Array.from({ length: 20 }, (_, n) => n + 1);
        const consume = (n) => db.call("tokens.consume_tokens", { account_id: args[0], amount: n });
        return (await Promise.all(amounts.map(consume))).map((b) => b.token_remaining);
    """
    account_id = new_account(db)
    left = result(start_node(daemon.socket_path, program, account_id))
    assert left == [1000 - n * (n + 1) // 2 for n in range(1, 21)]


def test_a_write_is_done_once_when_the_daemon_dies_between_its_commit_and_its_reply(
    short_path: Path, start_node: StartNode
) -> None:
    trigger = short_path / "trigger"
    daemon = DaemonProcess(short_path, command=crashing_daemon_command(trigger))
    daemon.start()
    try:
        with daemon.client() as db:
            account_id = new_account(db)
            trigger.touch()
            node = start_node(daemon.socket_path, CONSUME, account_id)
            daemon.wait()
            daemon.start()
            assert result(node)["token_remaining"] == 990
            assert consumptions(db, account_id) == [10]
    finally:
        daemon.clean_up()


def test_a_message_is_sent_once_on_a_connection_that_lives(
    short_path: Path, start_node: StartNode
) -> None:
    with fake_daemon(short_path / "f", answer_nothing) as fake:
        node = start_node(short_path / "f", CONSUME, "x", timeout_s=3)
        assert result(node) == {"code": "outcome_unknown"}
        assert len(fake.messages) == 1


def test_what_was_not_started_is_sent_again_in_another_message(
    short_path: Path, start_node: StartNode
) -> None:
    def answer_the_first_two(request: Request) -> bytes:
        not_started = encode_error(NotStarted("later"))
        results = [
            encode_value([call.method, request.sequence]) if place < 2 else not_started
            for place, call in enumerate(request.calls)
            if call is not None
        ]
        return encode_reply(request.sequence, results, time.monotonic_ns())

    program = """return await db.batch(["a", "b", "c", "d", "e"].map((name) => [name, []]));"""
    with fake_daemon(short_path / "f", answer_the_first_two):
        answered = result(start_node(short_path / "f", program))
    assert answered == [["a", 1], ["b", 1], ["c", 2], ["d", 2], ["e", 3]]


@pytest.mark.parametrize("apart_s", [-7200, 7200])
def test_a_daemon_with_another_clock_is_told_of(
    short_path: Path, start_node: StartNode, apart_s: int
) -> None:
    def answer(request: Request) -> bytes:
        clock_ns = time.monotonic_ns() + apart_s * 10**9
        return encode_reply(request.sequence, [encode_value(None)], max(1, clock_ns))

    with fake_daemon(short_path / "f", answer):
        node = start_node(short_path / "f", CONSUME, "x")
        assert result(node) == {"code": "clocks_differ"}


def test_numbers_of_more_than_32_bits_travel_both_ways(
    daemon: DaemonProcess, db: PackDb, start_node: StartNode
) -> None:
    account_id = new_account(db)
    program = 'return (await db.call("tokens.top_up", [args[0], 2 ** 40 + 1])).topup_remaining;'
    assert result(start_node(daemon.socket_path, program, account_id)) == 2**40 + 1


def test_without_a_daemon_a_call_ends_by_its_timeout(
    short_path: Path, start_node: StartNode
) -> None:
    node = start_node(short_path / "none", CONSUME, "x", timeout_s=0.1)
    assert result(node) == {"code": "not_sent"}


def test_a_message_that_is_too_large_is_not_sent(
    daemon: DaemonProcess, start_node: StartNode
) -> None:
    program = 'return await db.call("accounts.authenticate", ["x".repeat(300_000)]);'
    assert result(start_node(daemon.socket_path, program)) == {"code": "not_sent"}
