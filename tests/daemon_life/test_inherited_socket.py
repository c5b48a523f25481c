import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput, PackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

INHERITING = Path(__file__).with_name("inheriting.py")


def _start(directory: Path, fd: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, INHERITING, str(fd)],
        env=DaemonProcess(directory).environment,
        cwd=directory,
        pass_fds=[fd] if fd >= 0 else [],
        stderr=subprocess.PIPE,
    )


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        yield listening


def test_calls_wait_in_an_inherited_socket_for_the_next_daemon(short_path: Path) -> None:
    path = DaemonProcess(short_path).socket_path
    with _listening(path) as listening, PackDb(path, timeout_s=PATIENCE_S) as db:
        for number in range(3):
            daemon = _start(short_path, listening.fileno())
            db.accounts.create_account(CreateAccountInput(email=f"{number}@example.com"))
            daemon.terminate()
            daemon.communicate(timeout=PATIENCE_S)
            assert daemon.returncode == 0
        assert path.is_socket()  # it is the service manager's


def _pipe(path: Path) -> int:
    reading, writing = os.pipe()
    os.close(writing)
    return reading


def _file(path: Path) -> int:
    return os.open(path.with_name("file"), os.O_RDWR | os.O_CREAT)


def _bound(path: Path, kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_UNIX, kind) as bound:
        bound.bind(str(path))
        return os.dup(bound.fileno())


def _datagram(path: Path) -> int:
    return _bound(path, socket.SOCK_DGRAM)


def _not_listening(path: Path) -> int:
    return _bound(path, socket.SOCK_STREAM)


def _internet(path: Path) -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return os.dup(server.fileno())


def _at_another_path(path: Path) -> int:
    with _listening(path.with_name("other")) as listening:
        return os.dup(listening.fileno())


def _abstract(path: Path) -> int:
    with _listening(Path(f"\0{path}")) as listening:
        return os.dup(listening.fileno())


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_pipe, "is no socket"),
        (_file, "is no socket"),
        (lambda path: -1, "is no socket: Bad file descriptor"),
        (_datagram, "is no stream socket"),
        (_not_listening, "does not listen"),
        (_internet, "is no unix socket"),
        (_at_another_path, "make ListenStream= and ZMQ_SOCKET_PATH the same"),
        (_abstract, "make ListenStream= and ZMQ_SOCKET_PATH the same"),
    ],
)
def test_a_wrong_descriptor_is_one_clear_line_and_an_exit_code(
    short_path: Path, make: Callable[[Path], int], reason: str
) -> None:
    fd = make(DaemonProcess(short_path).socket_path)
    try:
        daemon = _start(short_path, fd)
    finally:
        if fd >= 0:
            os.close(fd)
    _, stderr = daemon.communicate(timeout=PATIENCE_S)
    last_line = stderr.decode().splitlines()[-1]
    assert daemon.returncode == 5
    assert last_line.startswith("pack-db: ")
    assert reason in last_line
    assert "Traceback" not in stderr.decode()


def test_descriptors_for_another_process_are_left_alone(short_path: Path) -> None:
    daemon = DaemonProcess(short_path, {"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    daemon.start()
    try:
        with daemon.client() as db:
            assert db.ping()
    finally:
        daemon.clean_up()


@pytest.mark.parametrize("count", ["2", "many", "-1"])
def test_another_number_of_descriptors_is_refused(short_path: Path, count: str) -> None:
    code = (
        "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid());"
        "os.execv(sys.executable, [sys.executable, '-m', 'pack_db_daemon', 'serve'])"
    )
    settings = {"LISTEN_FDS": count}
    daemon = DaemonProcess(short_path, settings, [sys.executable, "-c", code])
    daemon.start(wait=False)
    assert daemon.wait() == 5
    assert "descriptors" in daemon.log.splitlines()[-1]
