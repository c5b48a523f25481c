"""A daemon that does all calls of a message together, however long they take on a busy machine.

Run in place of `pack-db`.
"""

import sys

from pack_db_daemon import daemon
from pack_db_daemon.cli.main import main


def patient_daemon_command() -> list[str]:
    return [sys.executable, __file__, "serve"]


if __name__ == "__main__":
    daemon.BUDGET_NS = 10**12  # type: ignore[attr-defined]
    main()
