"""A message that failed with the database stays failed, in bounded memory."""

import time

import pytest

from pack_db.errors import SequenceTooOld, StorageFull
from pack_db.impls.exactly_once.exactly_once import MOST_FAILED, ExactlyOnce
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.reply_journal import JournaledMessage
from pack_db_client.protocol.replies import decode_reply, encode_error, encode_reply, encode_value


class Clock:
    now_ns = time.monotonic_ns()

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def exactly_once(factory: ServiceFactory, clock: Clock) -> ExactlyOnce:
    database = factory.get_database_connection()
    return ExactlyOnce(database, factory.get_reply_journal(), clock)


def message(client: int, sequence: int = 1, seconds: int = 60) -> JournaledMessage:
    deadline_ns = Clock.now_ns + seconds * 10**9
    return JournaledMessage(b"%16d" % client, 0, sequence, b"digest", deadline_ns)


FAILED = encode_reply(1, [encode_error(StorageFull("no room left"))], 1)
DONE = encode_reply(1, [encode_value("done")], 1)


def answer(exactly_once: ExactlyOnce, asked: JournaledMessage) -> bytes:
    with exactly_once.once(asked) as once:
        if once.reply is None:
            once.reply = DONE
    return once.reply


def code(reply: bytes) -> object:
    [[code, *_]] = decode_reply(reply)[1]
    return code


def give_up(exactly_once: ExactlyOnce, failing: JournaledMessage) -> bool:
    return exactly_once.give_up(failing.client_id, failing.sequence, failing.deadline_ns, FAILED)


def fail_once(exactly_once: ExactlyOnce, failing: JournaledMessage) -> None:
    assert give_up(exactly_once, failing)


def test_a_copy_of_what_failed_fails_as_it_did(
    factory: ServiceFactory, exactly_once: ExactlyOnce
) -> None:
    fail_once(exactly_once, message(1))
    assert code(answer(exactly_once, message(1))) == "storage_full"
    with factory.get_database_connection().transaction():
        assert code(answer(exactly_once, message(1))) == "storage_full"
    assert code(answer(exactly_once, message(1, 2))) == 0


def test_an_older_copy_is_not_done_either(exactly_once: ExactlyOnce) -> None:
    fail_once(exactly_once, message(1, 1))
    fail_once(exactly_once, message(1, 2))
    with pytest.raises(SequenceTooOld):
        answer(exactly_once, message(1, 1))


def test_it_is_forgotten_when_no_copy_can_come_any_more(
    exactly_once: ExactlyOnce, clock: Clock
) -> None:
    fail_once(exactly_once, message(1))
    clock.now_ns += 61 * 10**9
    exactly_once.forget_expired()
    assert exactly_once._failed == {}


def test_however_many_fail_memory_is_bounded_and_no_copy_is_done_after_a_failure_was_told(
    exactly_once: ExactlyOnce, clock: Clock
) -> None:
    for client in range(MOST_FAILED):
        fail_once(exactly_once, message(client))
    # Of one more it cannot be said that it is not done: a copy of it would be.
    assert not give_up(exactly_once, message(MOST_FAILED))
    assert code(answer(exactly_once, message(0))) == "storage_full"
    # Those who failed before may fail again, and others succeed.
    fail_once(exactly_once, message(0, 2))
    assert code(answer(exactly_once, message(MOST_FAILED + 1))) == 0
    clock.now_ns += 61 * 10**9
    exactly_once.forget_expired()
    fail_once(exactly_once, message(MOST_FAILED, 3, seconds=120))
