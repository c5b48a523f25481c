import grp
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.support.daemon_process import DaemonProcess

_REFUSED = 5
_FOREIGN_UID = 65534


def _refusal(daemon: DaemonProcess) -> str:
    """The line with which the daemon refuses to start."""
    daemon.start(wait=False)
    try:
        assert daemon.wait() == _REFUSED
    finally:
        daemon.clean_up()
    return daemon.log.splitlines()[-1]


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        bound.bind(str(path))


def test_the_socket_of_a_killed_daemon_is_replaced(daemon: DaemonProcess) -> None:
    daemon.kill()
    assert daemon.socket_path.is_socket()
    daemon.start()
    with daemon.client() as db:
        assert db.status().pid == daemon.pid


def test_a_path_that_cannot_be_used_is_refused_before_a_database_is_made(short_path: Path) -> None:
    (short_path / "file").touch()
    daemon = DaemonProcess(short_path, {"ZMQ_SOCKET_PATH": str(short_path / "file" / "s")})
    assert _refusal(daemon).startswith("pack-db: ZMQ_SOCKET_PATH: cannot listen at")
    assert not daemon.database_path.exists()
    assert len(daemon.log.splitlines()) == 1


def test_a_path_in_use_is_refused_before_a_database_is_made(daemon: DaemonProcess) -> None:
    directory = daemon.directory / "second"
    directory.mkdir()
    second = DaemonProcess(directory, {"ZMQ_SOCKET_PATH": str(daemon.socket_path)})
    assert f"listens at {daemon.socket_path}" in _refusal(second)
    assert not second.database_path.exists()


def test_a_file_at_the_path_is_refused_and_untouched(short_path: Path) -> None:
    daemon = DaemonProcess(short_path)
    daemon.socket_path.write_text("precious")
    assert f"{daemon.socket_path} is there and is no socket" in _refusal(daemon)
    assert daemon.socket_path.read_text() == "precious"


def test_a_directory_at_the_path_is_refused_and_untouched(short_path: Path) -> None:
    daemon = DaemonProcess(short_path)
    daemon.socket_path.mkdir()
    (daemon.socket_path / "file").touch()
    assert f"{daemon.socket_path} is there and is no socket" in _refusal(daemon)
    assert (daemon.socket_path / "file").exists()


def test_a_symlink_at_the_path_is_refused_and_untouched(short_path: Path) -> None:
    daemon = DaemonProcess(short_path)
    dead = short_path / "dead"
    _bind(dead)
    daemon.socket_path.symlink_to(dead)
    assert f"{daemon.socket_path} is there and is no socket" in _refusal(daemon)
    assert daemon.socket_path.is_symlink()
    assert dead.is_socket()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_dead_socket_of_another_user_is_refused_and_untouched(short_path: Path) -> None:
    daemon = DaemonProcess(short_path)
    _bind(daemon.socket_path)
    os.chown(daemon.socket_path, _FOREIGN_UID, -1)
    assert f"{daemon.socket_path} belongs to user {_FOREIGN_UID}" in _refusal(daemon)
    assert daemon.socket_path.stat().st_uid == _FOREIGN_UID


def test_a_directory_that_everybody_may_write_to_is_refused(short_path: Path) -> None:
    open_directory = short_path / "open"
    open_directory.mkdir()
    open_directory.chmod(0o777)
    daemon = DaemonProcess(short_path, {"ZMQ_SOCKET_PATH": str(open_directory / "s")})
    assert f"everybody may write to {open_directory}" in _refusal(daemon)
    assert list(open_directory.iterdir()) == []


@pytest.mark.parametrize("umask", ["0o000", "0o022", "0o077"])
@pytest.mark.parametrize("mode", ["0600", "0660", "0666"])
def test_the_mode_is_as_configured_whatever_the_umask(
    short_path: Path, umask: str, mode: str
) -> None:
    code = (
        f"import os, sys; os.umask({umask});"
        "os.execv(sys.executable, [sys.executable, '-m', 'pack_db_daemon', 'serve'])"
    )
    daemon = DaemonProcess(short_path, {"SOCKET_MODE": mode}, [sys.executable, "-c", code])
    daemon.start()
    try:
        assert daemon.socket_path.stat().st_mode & 0o777 == int(mode, 8)
        assert daemon.database_path.stat().st_mode & 0o777 == 0o600
    finally:
        daemon.clean_up()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may choose any group")
@pytest.mark.parametrize("by_number", [False, True])
def test_the_socket_belongs_to_the_configured_group(short_path: Path, by_number: bool) -> None:
    group = next(group for group in grp.getgrall() if group.gr_gid not in (0, os.getegid()))
    name = str(group.gr_gid) if by_number else group.gr_name
    daemon = DaemonProcess(short_path, {"SOCKET_MODE": "0660", "SOCKET_GROUP": name})
    daemon.start()
    try:
        status = daemon.socket_path.stat()
        assert (status.st_gid, status.st_mode & 0o777) == (group.gr_gid, 0o660)
    finally:
        daemon.clean_up()


def test_an_unknown_group_is_refused(short_path: Path) -> None:
    daemon = DaemonProcess(short_path, {"SOCKET_GROUP": "nobody-has-this-group"})
    assert "SOCKET_GROUP: there is no group nobody-has-this-group" in _refusal(daemon)
