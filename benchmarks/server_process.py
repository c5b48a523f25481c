"""Runs a peer's server: `python -m benchmarks.server_process PEER DIRECTORY DURABILITY`."""

import sys
from pathlib import Path

from benchmarks.peers import PEERS
from benchmarks.python_server import PythonServer
from benchmarks.workload import Durability


def main() -> None:
    name, directory, durability = sys.argv[1:]
    adapter = PEERS[name](Path(directory), Durability(durability))
    assert isinstance(adapter, PythonServer)
    adapter.serve()


if __name__ == "__main__":
    main()
