import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from peewee import EXCLUDED, Case, ColumnBase, fn

from pack_db.errors import (
    ForeignClientId,
    ReplyNotKept,
    SequenceReused,
    SequenceTooOld,
    StorageConflict,
)
from pack_db.impls.compiled_query import Row, parameter
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.database.models import ReplyJournalModel as J
from pack_db.impls.exactly_once.large_replies import SMALL_BYTES, LargeReplies
from pack_db.impls.exactly_once.reply_seal import ReplySeal
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal

_REMEMBERED = 1024  # clients whose keys and latest sequences are at hand
# Rows and their bytes that are forgotten in one step: each row lies somewhere else, and may have to
# be read from the disk while callers wait. On a server, nobody waits.
_PRUNED_AT_ONCE = 16
_PRUNED_BYTES = 2**18
_PRUNED_NS = 1_000_000  # after which no other row is begun
_PRUNED_ON_SERVER = 500
# With a new client's row some go at once, so that they never pile up, however busy it is.
_PRUNED_WITH_ROW = 2
# A client that goes on writing gets some more time, as else each message would move its row in the
# index by expiry.
_SLACK_NS = 10 * 10**9
_NOT_KEPT = b""
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
        self._large_replies = LargeReplies(clock_ns)
        if database.shared_clock_ns is None:
            self._boot_id = boot_id or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            now: ColumnBase = parameter("now_ns")
            margin_ns = 0
            self._pruned_at_once, self._pruned_with_row = _PRUNED_AT_ONCE, _PRUNED_WITH_ROW
            self._earlier_boots_left = True
        else:
            self._boot_id = ""
            now = database.shared_clock_ns
            margin_ns = _SHARED_CLOCK_MARGIN_NS
            self._pruned_at_once, self._pruned_with_row = _PRUNED_ON_SERVER, 0
            self._earlier_boots_left = False
        this_boot = J.boot_id == parameter("boot_id")
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
        self._replace = database.compile(
            J.update({c: parameter(c.name) for c in (J.sequence, J.digest, J.reply)})
            .where(
                J.client == parameter("client"),
                J.user_id == parameter("user_id"),
                J.sequence < parameter("sequence"),
                this_boot,
                J.expires_ns >= now + parameter("remaining_ns"),
            )
            .returning(J.client)
        )
        expired = this_boot & (J.expires_ns < now - margin_ns)
        earlier_boots = (J.boot_id < parameter("boot_id"), J.boot_id > parameter("boot_id"))
        some = J.select(J.client, fn.LENGTH(J.reply)).limit(parameter("limit"))
        self._select_expired = database.compile(some.where(expired).order_by(J.expires_ns))
        self._select_earlier = [  # twice, as no index finds what is not equal
            database.compile(some.where(boots).order_by(J.boot_id)) for boots in earlier_boots
        ]
        self._forget = database.compile(
            # Said twice: another host may give a row a later deadline in between.
            J.delete().where(J.client == parameter("client"), expired | ~this_boot)
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
        if reply == _NOT_KEPT:
            raise ReplyNotKept(
                "this message was done when it came first, and its reply was too large to be kept; "
                "look what came of it, and do not repeat it. Send fewer calls in a message, or "
                "writes and large queries apart"
            )
        return seal.open(reply)

    def record(self, message: JournaledMessage, reply: bytes) -> None:
        seal = self._seal(message.client_id)
        is_known = seal.row_key in self._latest
        now_ns = self._clock_ns()
        is_kept = len(reply) <= SMALL_BYTES
        if not is_kept or seal.row_key in self._large_replies.rows:
            is_kept = self._large_replies.has_room(seal.row_key, len(reply), message.deadline_ns)
        row = {
            "client": seal.row_key,
            "user_id": message.user_id,
            "sequence": message.sequence,
            "digest": message.digest,
            "reply": seal.close(reply) if is_kept else _NOT_KEPT,
            "boot_id": self._boot_id,
            "now_ns": now_ns,
        }
        remaining_ns = message.deadline_ns - now_ns
        # One statement that sees whether the sequence is still new, and takes it.
        taken = self._replace(**row, remaining_ns=remaining_ns) if is_known else []
        if not taken:
            slack_ns = _SLACK_NS if is_known else 0
            taken = self._insert(**row, remaining_ns=remaining_ns + slack_ns)
        if not taken:
            self._latest.pop(seal.row_key, None)
            self.find(message)  # says so if it may not be done
            raise StorageConflict("another copy of the message was done meanwhile; try again")
        if len(self._latest) >= _REMEMBERED:
            self._latest.clear()
        self._latest[seal.row_key] = message.sequence
        if not is_known and self._pruned_with_row:
            self._forget_some(self._expired(self._pruned_with_row))

    def prune(self) -> bool:
        # A transaction also when there is nothing to forget: once a second it finds out whether a
        # database that had failed is well again.
        with self._database.transaction():
            rows = self._expired(self._pruned_at_once)
            self._forget_some(rows)
        return bool(rows)

    def _expired(self, limit: int) -> list[Row]:
        """Clients whose rows may go, and the sizes of their replies in bytes."""
        rows = self._select_expired(boot_id=self._boot_id, now_ns=self._clock_ns(), limit=limit)
        if not rows and self._earlier_boots_left:
            for select in self._select_earlier:
                rows = rows or select(boot_id=self._boot_id, limit=limit)
            self._earlier_boots_left = bool(rows)
        return rows

    def _forget_some(self, rows: list[Row]) -> None:
        now_ns = self._clock_ns()
        bytes_left = _PRUNED_BYTES
        for client, size in rows:
            self._forget(client=client, boot_id=self._boot_id, now_ns=now_ns)
            bytes_left -= size
            if bytes_left < 0 or self._clock_ns() - now_ns > _PRUNED_NS:
                break
