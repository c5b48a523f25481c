"""Start a daemon as a service manager does: `python inheriting.py FD` passes it this descriptor.

-1 passes a closed one.
"""

import os
import sys

_FIRST_FD = 3

if __name__ == "__main__":
    fd = int(sys.argv[1])
    if fd >= 0:
        os.dup2(fd, _FIRST_FD)
    else:
        os.closerange(_FIRST_FD, _FIRST_FD + 1)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.execv(sys.executable, [sys.executable, "-m", "pack_db_daemon", "serve"])
