import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.daemon_process import PATIENCE_S

PROGRAM = """
import os, sys
from pack_db.errors import PackDbError
from pack_db.impls.service_factory import ServiceFactory
from pack_db.interfaces.entities.account import CreateAccountInput

factory = ServiceFactory.get_instance()
factory.get_database_connection().run_migrations()
accounts = factory.get_account_repo()

def create(accounts, email):
    accounts.create_account(CreateAccountInput(email=email))

create(accounts, "parent@example.com")
child = os.fork()
if child == 0:
    try:
        create(accounts, "child@example.com")
    except PackDbError as error:
        print(error.code, error, flush=True)
    ServiceFactory.reset()
    create(ServiceFactory.get_instance().get_account_repo(), "own@example.com")
    ServiceFactory.reset()
    sys.exit()
os.waitpid(child, 0)
create(accounts, "later@example.com")
print([account.email for account in accounts.list_accounts()])
ServiceFactory.reset()
"""


def test_row_80_a_child_leaves_the_connections_of_its_parent_and_may_make_its_own(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={"DB_URL": new_database(), "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path,
    )
    assert done.stderr == ""
    refusal, emails = done.stdout.splitlines()
    assert refusal.startswith("storage_error postgresql://")
    assert "before this one was forked" in refusal
    assert emails == "['parent@example.com', 'own@example.com', 'later@example.com']"
