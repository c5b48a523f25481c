import time
from collections.abc import Callable
from pathlib import Path

from peewee import EXCLUDED, Case

from pack_db.errors import ForeignClientId, SequenceReused, SequenceTooOld
from pack_db.impls.compiled_query import parameter
from pack_db.impls.database_connection import DatabaseConnection
from pack_db.impls.models import ReplyJournalModel as J
from pack_db.impls.reply_seal import ReplySeal
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal

_PRUNED_AT_ONCE = 500  # rows; few enough that no caller notices


class PeeweeReplyJournal(ReplyJournal):
    """One row a client.

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
        self._boot_id = boot_id or Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        columns = (J.client, J.user_id, J.sequence, J.digest, J.reply, J.boot_id, J.expires_ns)
        by_client = J.client == parameter("client")
        # One statement that finds out whether the sequence is new, and takes it.
        self._claim = database.compile(
            J.insert({c: parameter(c.name) for c in columns})
            .on_conflict(
                conflict_target=[J.client],
                preserve=[J.sequence, J.digest],
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
        self._select = database.compile(
            J.select(J.user_id, J.sequence, J.digest, J.reply).where(by_client)
        )
        self._record = database.compile(J.update({J.reply: parameter("reply")}).where(by_client))
        expired = (
            J.select(J.client)
            .where((J.boot_id != parameter("boot_id")) | (J.expires_ns < parameter("now_ns")))
            .limit(_PRUNED_AT_ONCE)
        )
        self._prune = database.compile(J.delete().where(J.client.in_(expired)).returning(J.client))

    def claim(self, message: JournaledMessage) -> bytes | None:
        seal = ReplySeal(message.client_id)
        if self._claim(
            client=seal.row_key,
            user_id=message.user_id,
            sequence=message.sequence,
            digest=message.digest,
            reply=b"",
            boot_id=self._boot_id,
            expires_ns=message.deadline_ns,
        ):
            return None
        [(user_id, sequence, digest, reply)] = self._select(client=seal.row_key)
        if user_id != message.user_id:
            raise ForeignClientId("this client_id belongs to another user; make a new one")
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
        seal = ReplySeal(message.client_id)
        self._record(client=seal.row_key, reply=seal.close(reply))

    def prune(self) -> bool:
        with self._database.transaction():
            forgotten = self._prune(boot_id=self._boot_id, now_ns=self._clock_ns())
        return len(forgotten) == _PRUNED_AT_ONCE
