from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal


class ForgetfulJournal(ReplyJournal):
    """Remembers nothing, so every copy of a message is done."""

    def find(self, message: JournaledMessage) -> bytes | None:
        return None

    def record(self, message: JournaledMessage, reply: bytes) -> None:
        pass

    def prune(self) -> bool:
        return False
