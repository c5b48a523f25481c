"""The database that a daemon answers the test vectors from."""

from pathlib import Path

import apsw

from pack_db_client import CreateAccountInput
from tests.support.daemon_process import DaemonProcess

IDS = ("01932c07-9d3e-7c55-8a2f-3f5d0c9b1e42", "01932c07-9d3e-7c55-8a2f-3f5d0c9b1e43")
CREATED_AT = 1_790_000_000


def start_with_accounts(directory: Path) -> DaemonProcess:
    """A daemon whose accounts have the ids of the vectors, 1,000 tokens each, and no top-up."""
    daemon = DaemonProcess(directory)
    daemon.start()
    with daemon.client() as db:
        made = [
            db.accounts.create_account(CreateAccountInput(email=f"user{n}@example.com"))
            for n in range(len(IDS))
        ]
    daemon.stop()
    database = apsw.Connection(str(daemon.database_path))
    for account, known in zip(made, IDS, strict=True):
        names = (known, CREATED_AT, account.id)
        database.execute("UPDATE accounts SET id = ?, created_at = ? WHERE id = ?", names)
        database.execute(
            "UPDATE ledger_entries SET account_id = ?, created_at = ? WHERE account_id = ?", names
        )
    database.close()
    daemon.start()
    return daemon
