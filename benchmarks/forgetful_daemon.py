"""The daemon without exactly-once, to see what that costs."""

from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.reply_journal import JournaledMessage, ReplyJournal
from pack_db_daemon.serve import serve


class _ForgetfulJournal(ReplyJournal):
    def find(self, message: JournaledMessage) -> bytes | None:
        return None

    def record(self, message: JournaledMessage, reply: bytes) -> None:
        pass

    def prune(self) -> bool:
        return False


class _Factory(ServiceFactory):
    def get_reply_journal(self) -> ReplyJournal:
        return _ForgetfulJournal()


if __name__ == "__main__":
    try:
        serve(_Factory.get_instance())
    finally:
        ServiceFactory.reset()
