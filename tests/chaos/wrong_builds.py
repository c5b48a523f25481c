"""Daemons that break a promise on purpose: the harness has to find each of them out.

Run as `python wrong_builds.py BUILD` in place of `pack-db serve`.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum

from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal
from pack_db_daemon.daemon import serve
from tests.support.forgetful_journal import ForgetfulJournal

_WINDOW_S = 0.01
"""How long a build stays where a kill shows its fault, so that a few kills suffice."""


class WrongBuild(StrEnum):
    REPLY_BEFORE_COMMIT = "reply-before-commit"
    JOURNAL_IN_SECOND_TRANSACTION = "journal-in-second-transaction"
    NO_JOURNAL = "no-journal"


def wrong_build_command(build: WrongBuild) -> list[str]:
    return [sys.executable, __file__, build]


class _WithoutThread(DatabaseConnection):
    """Commits nothing in a thread, where the builds would not notice."""

    @contextmanager
    def background_transaction(self, ended: Callable[[], object]) -> Iterator[None]:
        with self.transaction():
            yield
        ended()


class _LateDatabase(_WithoutThread):
    """Commits what messages wrote, and were answered, only when the daemon keeps house."""

    late = ExitStack()

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._begin, self._commit = self._engine.begin, self._engine.commit
        self._engine.begin = self._begin_once  # type: ignore[method-assign]
        self._engine.commit = self._commit_later  # type: ignore[method-assign]

    def _begin_once(self) -> None:
        if not self._engine.is_in_transaction():
            self._begin()
            self.late.callback(self._commit)

    def _commit_later(self) -> None:
        pass

    def close(self) -> None:
        self.late.close()
        super().close()


class _HookedDatabase(_WithoutThread):
    """Calls `after_commit` once a message's transaction has ended."""

    after_commit: Callable[[], None]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._commit = self._engine.commit
        self._engine.commit = self._commit_and_call  # type: ignore[method-assign]
        self._is_calling = False

    def _commit_and_call(self) -> None:
        self._commit()
        if not self._is_calling:
            self._is_calling = True
            self.after_commit()
            self._is_calling = False


class _LateJournal(ReplyJournal):
    """Records a message in a transaction of its own, after that of its writes."""

    def __init__(self, database: _HookedDatabase, journal: ReplyJournal) -> None:
        self._database = database
        self._journal = journal
        self._unrecorded: list[tuple[JournaledMessage, bytes]] = []

    def find(self, message: JournaledMessage) -> bytes | None:
        return self._journal.find(message)

    def record(self, message: JournaledMessage, reply: bytes) -> None:
        self._unrecorded.append((message, reply))

    def prune(self) -> bool:
        return self._journal.prune()

    def record_late(self) -> None:
        if not self._unrecorded:
            return
        time.sleep(_WINDOW_S)
        message, reply = self._unrecorded.pop()
        with self._database.transaction():
            self._journal.record(message, reply)


class _ReplyBeforeCommit(ServiceFactory):
    def get_database_connection(self) -> DatabaseConnection:
        if self._database_connection is None:
            self._database_connection = _LateDatabase(self.get_config())
        return self._database_connection

    def tidy_up(self) -> bool:
        _LateDatabase.late.close()
        return super().tidy_up()


class _WithHook(ServiceFactory):
    def get_database_connection(self) -> _HookedDatabase:
        if self._database_connection is None:
            self._database_connection = _HookedDatabase(self.get_config())
            self._database_connection.after_commit = self.after_commit
        assert isinstance(self._database_connection, _HookedDatabase)
        return self._database_connection

    def after_commit(self) -> None:
        time.sleep(_WINDOW_S)


class _JournalInSecondTransaction(_WithHook):
    def get_reply_journal(self) -> ReplyJournal:
        if self._reply_journal is None:
            self._reply_journal = _LateJournal(
                self.get_database_connection(), super().get_reply_journal()
            )
        return self._reply_journal

    def after_commit(self) -> None:
        journal = self.get_reply_journal()
        assert isinstance(journal, _LateJournal)
        journal.record_late()


class _WithoutJournal(_WithHook):
    def get_reply_journal(self) -> ReplyJournal:
        return ForgetfulJournal()


_FACTORIES: dict[WrongBuild, type[ServiceFactory]] = {
    WrongBuild.REPLY_BEFORE_COMMIT: _ReplyBeforeCommit,
    WrongBuild.JOURNAL_IN_SECOND_TRANSACTION: _JournalInSecondTransaction,
    WrongBuild.NO_JOURNAL: _WithoutJournal,
}


if __name__ == "__main__":
    factory = _FACTORIES[WrongBuild(sys.argv[1])].get_instance()
    try:
        serve(factory)
    finally:
        ServiceFactory.reset()
