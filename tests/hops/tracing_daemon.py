"""A daemon that notes each call of a function of pack-db.

Run as `python tracing_daemon.py LOG` in place of `pack-db serve`: each call is a line in LOG.
"""

import sys
from pathlib import Path

from pack_db_daemon.cli.main import main
from tests.hops.own_functions import own_function

if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", buffering=1) as log:

        def note(frame: object, event: str, argument: object) -> None:
            if (name := own_function(frame, event)) is not None:
                log.write(f"{name}\n")

        sys.argv = ["pack-db", "serve"]
        sys.setprofile(note)
        main()
