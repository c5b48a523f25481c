"""What the fuzzer runs: `python -m tests.fuzz.target DIRECTORY [libFuzzer's options]`.

The directory gets the database, and has the corpus in `corpus`.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pack_db", "pack_db_client", "pack_db_daemon"]):
    from pack_db.config import Config
    from pack_db.impls.exactly_once.exactly_once import ExactlyOnce
    from pack_db.impls.exactly_once.peewee_reply_journal import PeeweeReplyJournal
    from pack_db.impls.service_factory import ServiceFactory
    from pack_db.interfaces.reply_journal import ReplyJournal
    from pack_db_client.protocol.replies import decode_reply
    from pack_db_client.protocol.requests import Refusal, decode_request
    from pack_db_daemon.dispatch.call_statistics import CallStatistics
    from pack_db_daemon.dispatch.dispatcher import Dispatcher
    from pack_db_daemon.dispatch.method_table import MethodTable

MAX_REPLY_BYTES = 2**18
NOW_NS = 10**12
"""What the clock of the deadlines always says, so that an input does the same each time."""


def _clock_ns() -> int:
    return NOW_NS


class _Factory(ServiceFactory):
    def get_reply_journal(self) -> ReplyJournal:
        return PeeweeReplyJournal(self.get_database_connection(), _clock_ns)


def make_dispatcher(directory: Path) -> Dispatcher:
    config = Config({"DB_PATH": str(directory / "pack.db"), "DB_SYNCHRONOUS": "NORMAL"})
    factory = _Factory(config)
    database = factory.get_database_connection()
    database.run_migrations()
    return Dispatcher(
        MethodTable(factory.services, factory.get_services()),
        database,
        ExactlyOnce(database, factory.get_reply_journal(), _clock_ns),
        CallStatistics(),
        MAX_REPLY_BYTES,
        clock_ns=_clock_ns,
    )


def check(dispatcher: Dispatcher, message: bytes) -> None:
    """The dispatcher raises nothing and answers every message with one reply that fits it."""
    try:
        request = decode_request(message)
        expected, most = request.sequence, len(request.calls)
    except Refusal as refusal:
        expected, most = refusal.sequence, 1
    reply = dispatcher.dispatch(message, 1000)
    sequence, results, _ = decode_reply(reply)
    assert sequence == expected
    assert 1 <= len(results) <= most
    assert len(reply) <= MAX_REPLY_BYTES
    assert all(result[0] != "internal_error" for result in results)


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    dispatcher = make_dispatcher(directory)
    atheris.Setup(
        [sys.argv[0], *sys.argv[2:], str(directory / "corpus")],
        lambda data: check(dispatcher, data),
    )
    atheris.Fuzz()
