"""A daemon that stays in `consume_tokens` until told to go on.

It makes the file `entered` beside the database, and waits for the file `go` there.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from pack_db.impls.repos.peewee_token_repo import PeeweeTokenRepo
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.token import TokenBalance
from pack_db_daemon.daemon import serve


class WaitingTokenRepo(PeeweeTokenRepo):
    def consume_tokens(
        self, account_id: str, amount: int, *, allow_overdraft: bool = False
    ) -> TokenBalance:
        balance = super().consume_tokens(account_id, amount, allow_overdraft=allow_overdraft)
        Path(self._database.location).with_name("entered").touch()
        while not Path(self._database.location).with_name("go").exists():
            time.sleep(0.01)
        return balance


class WaitingFactory(ServiceFactory):
    def get_services(self) -> Mapping[str, object]:
        tokens = WaitingTokenRepo(self.get_database_connection(), self._get_ledger())
        return {**super().get_services(), "tokens": tokens}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    try:
        serve(WaitingFactory.get_instance())
    finally:
        ServiceFactory.reset()
