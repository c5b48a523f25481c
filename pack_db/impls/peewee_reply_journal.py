import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from peewee import EXCLUDED, Case, ColumnBase

from pack_db.errors import ForeignClientId, SequenceReused, SequenceTooOld, StorageConflict
from pack_db.impls.compiled_query import parameter
from pack_db.impls.database_connection import DatabaseConnection
from pack_db.impls.models import ReplyJournalModel as J
from pack_db.impls.reply_seal import ReplySeal
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal

_REMEMBERED = 1024  # clients whose keys and latest sequences are at hand
_PRUNED_AT_ONCE = 500  # rows; few enough that no caller notices
# The clock of another host of the engine, which takes over one day, may be ahead.
_SHARED_CLOCK_MARGIN_NS = 3600 * 10**9


class PeeweeReplyJournal(ReplyJournal):
    """One row a client.

    Rows expire by the clock of the deadlines, or where several hosts share the database by the
    engine's own.

    Args:
        clock_ns: the clock of the deadlines.
        boot_id: tells the clock of this boot of the host from those before. No client of an
            earlier boot is left, so their rows may go at any time.
    """

    def __init__(
        self,
        database: DatabaseConnection,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        boot_id: str | None = None,
    ) -> None:
        self._database = database
        self._clock_ns = clock_ns
        self._seal = lru_cache(_REMEMBERED)(ReplySeal)
        self._latest: dict[bytes, int] = {}
        if database.shared_clock_ns is None:
            self._boot_id = boot_id or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            now: ColumnBase = parameter("now_ns")
            margin_ns = 0
        else:
            self._boot_id = ""
            now = database.shared_clock_ns
            margin_ns = _SHARED_CLOCK_MARGIN_NS
        row = {c: parameter(c.name) for c in (J.client, J.user_id, J.sequence, J.digest, J.reply)}
        self._select = database.compile(
            J.select(J.user_id, J.sequence, J.digest, J.reply).where(
                J.client == parameter("client")
            )
        )
        self._insert = database.compile(
            J.insert(
                {
                    **row,
                    J.boot_id: parameter("boot_id"),
                    J.expires_ns: now + parameter("remaining_ns"),
                }
            )
            .on_conflict(
                conflict_target=[J.client],
                preserve=[J.sequence, J.digest, J.reply],
                update={
                    # An earlier message may have had a later deadline; its copies are older
                    # than this row as long as the row is there.
                    J.expires_ns: Case(
                        None,
                        [(J.expires_ns > EXCLUDED.expires_ns, J.expires_ns)],
                        EXCLUDED.expires_ns,
                    ),
                },
                where=(J.sequence < EXCLUDED.sequence) & (J.user_id == EXCLUDED.user_id),
            )
            .returning(J.client)
        )
        expired = (J.boot_id != parameter("boot_id")) | (J.expires_ns + margin_ns < now)
        some = J.select(J.client).where(expired).limit(_PRUNED_AT_ONCE)
        self._prune = database.compile(
            # Said twice: another host may give a row a later deadline in between.
            J.delete().where(J.client.in_(some), expired).returning(J.client)
        )

    def find(self, message: JournaledMessage) -> bytes | None:
        seal = self._seal(message.client_id)
        if message.sequence > self._latest.get(seal.row_key, message.sequence):
            return None  # `record` finds out if somebody else has recorded one since
        rows = self._select(client=seal.row_key)
        if not rows:
            return None
        [(user_id, sequence, digest, reply)] = rows
        if user_id != message.user_id:
            raise ForeignClientId("this client_id belongs to another user; make a new one")
        if sequence < message.sequence:
            return None
        if sequence > message.sequence:
            raise SequenceTooOld(
                f"message {message.sequence} came after message {sequence} of the same client; "
                "count up by one for each message"
            )
        if digest != message.digest:
            raise SequenceReused(
                f"message {message.sequence} was sent before with other content; "
                "count up by one for each message"
            )
        return seal.open(reply)

    def record(self, message: JournaledMessage, reply: bytes) -> None:
        seal = self._seal(message.client_id)
        now_ns = self._clock_ns()
        # One statement that sees whether the sequence is still new, and takes it.
        taken = self._insert(
            client=seal.row_key,
            user_id=message.user_id,
            sequence=message.sequence,
            digest=message.digest,
            reply=seal.close(reply),
            boot_id=self._boot_id,
            now_ns=now_ns,
            remaining_ns=message.deadline_ns - now_ns,
        )
        if not taken:
            self._latest.pop(seal.row_key, None)
            raise StorageConflict("another copy of the message was done meanwhile; try again")
        if len(self._latest) >= _REMEMBERED:
            self._latest.clear()
        self._latest[seal.row_key] = message.sequence

    def prune(self) -> bool:
        with self._database.transaction():
            forgotten = self._prune(boot_id=self._boot_id, now_ns=self._clock_ns())
        return len(forgotten) == _PRUNED_AT_ONCE
