"""The daemon without exactly-once, to see what that costs."""

from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.reply_journal import ReplyJournal
from pack_db_daemon.daemon import serve
from tests.support.forgetful_journal import ForgetfulJournal


class _Factory(ServiceFactory):
    def get_reply_journal(self) -> ReplyJournal:
        return ForgetfulJournal()


if __name__ == "__main__":
    try:
        serve(_Factory.get_instance())
    finally:
        ServiceFactory.reset()
