"""The daemon and its siblings as containers have them: namespaces, a read-only root, users without
a name. No container engine is needed for that, and the files for one say how."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.daemon_process import PATIENCE_S

CONTAINERS = Path(__file__).parents[2] / "examples" / "containers"
COMPOSE = yaml.safe_load((CONTAINERS / "compose.yaml").read_text())["services"]
IMAGE = (CONTAINERS / "Containerfile").read_text()
# What an engine does: a root that is read only, volumes, and one user without any privilege.
RUN = """
root=$1 uid=$2 gid=$3; shift 3
mount --make-rprivate /
mount --rbind / "$root"
mount -o remount,bind,ro "$root"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done; shift
mount -t proc proc "$root/proc"
exec chroot "$root" setpriv --reuid "$uid" --regid "$gid" --clear-groups --no-new-privs \
    --inh-caps=-all --bounding-set=-all "$@"
"""
CALL = """
import os
from pack_db_client import CreateAccountInput, PackDb
with PackDb() as db:
    email = f"{os.getuid()}@example.com"
    db.accounts.create_account(CreateAccountInput(email=email))
    print(len(db.accounts.list_accounts()), db.status().connections > 0, os.getpid())
"""


def can_contain() -> bool:
    try:
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "mount", "--make-rprivate", "/"],
            capture_output=True,
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0 and shutil.which("setpriv") is not None


pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not can_contain(), reason="only root can make namespaces"
)


class Host:
    """Runs what the compose file describes."""

    def __init__(self, directory: Path) -> None:
        directory.chmod(0o755)  # as an engine's directories are for those in a container
        self._directory = directory
        self._volumes = {name: directory / name for name in ("data", "socket")}
        for volume in self._volumes.values():
            volume.mkdir()
            volume.chmod(0o2770)  # of group 0, as in the image
        found = re.search(r"^ENV (.+?)^USER", IMAGE, re.MULTILINE | re.DOTALL)
        assert found
        settings = found[1].replace("\\", "").split()
        # The paths in the image are not there on this root, so those of the volumes stand for them.
        self._environment = dict(setting.split("=", 1) for setting in settings)
        self._environment["DB_PATH"] = str(self._volumes["data"] / "pack.db")
        self._environment["ZMQ_SOCKET_PATH"] = str(self._volumes["socket"] / "socket")

    def start(self, service: str, *command: str) -> "subprocess.Popen[str]":
        described = COMPOSE[service]
        assert described["read_only"]
        assert described["cap_drop"] == ["ALL"]
        uid, gid = described["user"].split(":")
        root = self._directory / f"root-{service}"
        root.mkdir(exist_ok=True)
        mounts = [
            word
            for volume in described["volumes"]
            for word in 2 * [str(self._volumes[volume.split(":")[0]])]
        ]
        return subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-euc", RUN, "sh", str(root), uid, gid, *mounts, "--", *command),
            ],
            env={"PATH": os.environ["PATH"], **self._environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def host(short_path: Path) -> Host:
    return Host(short_path)


@contextmanager
def contained_daemon(host: Host) -> Iterator["subprocess.Popen[str]"]:
    [arguments] = re.findall(r'^CMD \["(\w+)"\]', IMAGE, re.MULTILINE)
    daemon = host.start("pack-db", sys.executable, "-m", "pack_db_daemon", arguments)
    try:
        yield daemon
    finally:
        daemon.kill()
        daemon.communicate()


def healthy(host: Host, daemon: "subprocess.Popen[str]") -> bool:
    [check] = re.findall(r"^HEALTHCHECK .* CMD \[(.*)\]", IMAGE, re.MULTILINE)
    words = shlex.split(check.replace(",", " "))
    command = [sys.executable, "-m", "pack_db_daemon", *words[1:]]
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up and daemon.poll() is None:
        asked = host.start("meter", *command)
        asked.communicate(timeout=PATIENCE_S)
        if asked.returncode == 0:
            return True
    return False


def first_child(process: "subprocess.Popen[Any]") -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def test_siblings_of_other_images_share_the_socket(host: Host) -> None:
    with contained_daemon(host) as daemon:
        assert healthy(host, daemon), daemon.communicate()
        for number, service in enumerate(("web", "meter"), 1):
            called = host.start(service, sys.executable, "-c", CALL)
            printed, errors = called.communicate(timeout=PATIENCE_S)
            assert (called.returncode, errors) == (0, "")
            assert printed == f"{number} True 1\n"  # each is process 1 of its container
        # SIGTERM to process 1, as an engine stops a container.
        os.kill(first_child(daemon), 15)
        _, log = daemon.communicate(timeout=PATIENCE_S)
        assert daemon.returncode == 0
        assert "stopped" in log


def test_the_root_is_read_only_and_the_user_has_no_name(host: Host) -> None:
    look = "import os, pwd; print(os.getuid(), os.getpid()); open('/etc/x', 'w')"
    looked = host.start("pack-db", sys.executable, "-c", look)
    printed, errors = looked.communicate(timeout=PATIENCE_S)
    assert printed.split() == [COMPOSE["pack-db"]["user"].split(":")[0], "1"]
    assert "Read-only file system" in errors or "Permission denied" in errors
