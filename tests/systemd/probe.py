"""What a process may do: prints a line for each of the attempts that succeed."""

import socket
from pathlib import Path


def _read_home() -> None:
    Path("/home/secret").read_text()


def _open_internet_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _write_etc() -> None:
    Path("/etc/probe").touch()


if __name__ == "__main__":
    for attempt in (_read_home, _open_internet_socket, _write_etc):
        try:
            attempt()
        except OSError:
            continue
        print(f"succeeded: {attempt.__name__}")
    print("probed")
