"""What of its surroundings a program meets that only calls the daemon."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from pack_db.config import ConfigKeys
from pack_db_client import AsyncPackDb, ConfigurationError, NoDaemon, PackDb
from tests.support.daemon_process import PATIENCE_S, DaemonProcess

READ_BY_A_CLIENT = {"ZMQ_SOCKET_PATH", "ZMQ_TIMEOUT_MS", "MAX_MESSAGE_BYTES"}

PING = """
import asyncio, sys
from pack_db_client import AsyncPackDb, PackDb
async def ping():
    async with AsyncPackDb(sys.argv[1]) as db:
        await db.ping()
with PackDb(sys.argv[1]) as db:
    db.ping()
asyncio.run(ping())
"""


def ping_as_another_program(
    socket: Path, environment: dict[str, str], directory: Path, *around: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*around, sys.executable, "-c", PING, str(socket)],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,  # it loads all of the client twice
    )


def test_a_client_reads_no_setting_but_its_own(
    daemon: DaemonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(daemon.directory)
    for key in set(ConfigKeys) - READ_BY_A_CLIENT:
        monkeypatch.setenv(key, "not what pack-db takes\udcff")
    with PackDb(daemon.socket_path) as db:
        assert db.ping()

    async def ping() -> str:
        async with AsyncPackDb(daemon.socket_path) as db:
            return await db.ping()

    assert asyncio.run(ping())


@pytest.mark.parametrize("key", sorted(READ_BY_A_CLIENT - {"ZMQ_SOCKET_PATH"}))
def test_its_own_settings_are_checked(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(key, "soon")
    for client in (PackDb, AsyncPackDb):
        with pytest.raises(ConfigurationError, match=key):
            client("/run/pack-db.sock")


def test_an_application_s_own_dotenv_file_does_not_stop_a_client(daemon: DaemonProcess) -> None:
    environment = {"PATH": daemon.environment["PATH"]}
    for content in (b"LOG_LEVEL=warn\nNAME=M\xfcller\n", "DB_PATH=x\n".encode("utf-16")):
        (daemon.directory / ".env").write_bytes(content)
        done = ping_as_another_program(daemon.socket_path, environment, daemon.directory)
        assert done.returncode == 0, done.stderr


def test_a_client_that_is_told_its_socket_needs_no_home_and_no_user(
    daemon: DaemonProcess,
) -> None:
    # A uid that has no entry in the list of users, and none of a session's variables.
    around = ("unshare", "--user", "--map-user=54321", "--map-group=54321")
    if subprocess.run([*around, "true"], capture_output=True).returncode:
        pytest.skip("new user namespaces are not permitted")
    for environment in ({}, {"HOME": ""}, {"HOME": "/"}, {"HOME": "nowhere"}):
        done = ping_as_another_program(daemon.socket_path, environment, daemon.directory, *around)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/tmp/" + "x" * 103, "has 108 bytes"),
        ("/tmp/" + "ü" * 52, "has 109 bytes"),
        ("/tmp/\udcff", "UTF-8"),
        ("/tmp/\0", "absolute"),
        ("s", "absolute"),
        ("", "absolute"),
        ("ipc:///tmp/s", "absolute"),
        ("~nobody-has-this-name/s", "no home directory"),
    ],
)
@pytest.mark.parametrize("client", [PackDb, AsyncPackDb])
def test_a_path_that_no_socket_can_have_is_refused_in_words(
    client: type[PackDb] | type[AsyncPackDb], path: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        client(path)
    assert str(caught.value).startswith("socket_path: ")
    str(caught.value).encode()  # so that it can be shown anywhere


def test_a_home_directory_is_taken_for_the_tilde(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(short_path))
    with PackDb("~/s", timeout_s=0.05) as db, pytest.raises(NoDaemon, match=f"{short_path}/s"):
        db.ping()
