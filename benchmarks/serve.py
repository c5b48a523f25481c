"""Runs a peer's server: `python -m benchmarks.serve PEER DIRECTORY`."""

import sys
from pathlib import Path

from benchmarks.adapter import PythonServer
from benchmarks.peers import PEERS

if __name__ == "__main__":
    adapter = PEERS[sys.argv[1]](Path(sys.argv[2]))
    assert isinstance(adapter, PythonServer)
    adapter.serve()
