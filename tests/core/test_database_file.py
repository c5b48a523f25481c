import fcntl
import os
import random
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from pack_db.config import Config
from pack_db.errors import DatabaseInUse, PackDbError, StorageCorrupt, StorageError, WrongDatabase
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory
from pack_db.impls.sqlite.file_lock import FileLock
from pack_db.interfaces.entities.account import CreateAccountInput

HOLD = """
import sys
from pack_db.config import Config
from pack_db.impls.database.database_connection import DatabaseConnection
from pack_db.impls.service_factory import ServiceFactory

database = ServiceFactory(Config({"DB_PATH": sys.argv[1]})).get_database_connection()
database.run_migrations()
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        try:
            yield process
        finally:
            process.kill()


def open_and_close(path: Path) -> None:
    with closing(ServiceFactory(Config({"DB_PATH": str(path)}))) as factory:
        factory.get_database_connection().run_migrations()


def refusal(path: Path) -> PackDbError:
    """How the path is refused; whatever is there must stay as it is."""
    before = contents(path.parent)
    with pytest.raises(PackDbError) as caught:
        open_and_close(path)
    assert contents(path.parent) == before
    return caught.value


def contents(directory: Path) -> dict[str, bytes | None]:
    return {
        p.name: p.read_bytes() if p.is_file() else None
        for p in directory.iterdir()
        if not p.name.endswith(".lock")  # our own, and it has to stay
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pack.db"


@pytest.fixture
def closed_database(path: Path) -> Path:
    """A database of ours with an account in it, that nobody has open."""
    with closing(ServiceFactory(Config({"DB_PATH": str(path)}))) as factory:
        factory.get_database_connection().run_migrations()
        factory.get_account_repo().create_account(CreateAccountInput(email="user@example.com"))
    return path


def test_the_default_directory_is_made(tmp_path: Path) -> None:
    config = Config({"HOME": str(tmp_path)})
    ServiceFactory(config).get_database_connection().close()
    assert config.database_path.is_file()
    assert stat.S_IMODE(config.database_path.parent.stat().st_mode) == 0o700


def test_row_84_a_directory_that_was_named_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"no directory {tmp_path / 'typo'};"):
        open_and_close(tmp_path / "typo" / "b" / "pack.db")
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_read_the_database_whatever_the_umask(path: Path) -> None:
    umask = os.umask(0)
    try:
        database = ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
        database.run_migrations()
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
        database.close()
    finally:
        os.umask(umask)
    assert modes == {
        "pack.db": 0o600,
        "pack.db-wal": 0o600,
        "pack.db-shm": 0o600,
        "pack.db.lock": 0o600,
    }


def test_closing_leaves_one_whole_file_and_the_lock(closed_database: Path) -> None:
    assert sorted(p.name for p in closed_database.parent.iterdir()) == ["pack.db", "pack.db.lock"]


def test_a_sqlite_database_of_another_program_is_refused(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA application_id = 42; CREATE TABLE accounts (id)")
    connection.close()
    error = refusal(path)
    assert type(error) is WrongDatabase
    assert str(path) in str(error)


def test_another_programs_database_in_wal_mode_is_refused(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL; CREATE TABLE accounts (id)")
    connection.close()
    assert type(refusal(path)) is WrongDatabase


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"SQLite format", random.Random(1).randbytes(8192), b"\0" * 8192]
)
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refusal(path)
    assert type(error) is WrongDatabase
    assert str(path) in str(error)


def test_a_directory_at_the_path_is_refused(path: Path) -> None:
    path.mkdir()
    assert type(refusal(path)) is WrongDatabase


def test_a_named_pipe_at_the_path_is_refused(path: Path) -> None:
    os.mkfifo(path)
    assert type(refusal(path)) is WrongDatabase


def test_a_file_in_the_way_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=str(tmp_path / "file")):
        open_and_close(tmp_path / "file" / "pack.db")


@pytest.mark.parametrize(
    ("offset", "garbage", "error"),
    [(0, b"garbage!", WrongDatabase), (100, b"\xff" * 200, StorageCorrupt)],
    ids=["header", "schema page"],
)
def test_a_damaged_database_is_refused(
    closed_database: Path, offset: int, garbage: bytes, error: type[PackDbError]
) -> None:
    """Row 48: corrupt header, corrupt page."""
    with closed_database.open("r+b") as file:
        file.seek(offset)
        file.write(garbage)
    damaged = closed_database.read_bytes()
    with pytest.raises(PackDbError) as caught:
        open_and_close(closed_database)
    assert type(caught.value) is error
    assert closed_database.read_bytes() == damaged


def test_a_truncated_database_is_refused(closed_database: Path) -> None:
    """Row 48: corrupt page."""
    os.truncate(closed_database, 4096)
    with pytest.raises(StorageCorrupt):
        open_and_close(closed_database)
    assert closed_database.stat().st_size == 4096


def test_a_database_of_a_newer_pack_db_is_refused(closed_database: Path) -> None:
    database = ServiceFactory(Config({"DB_PATH": str(closed_database)})).get_database_connection()
    database.execute("INSERT INTO schema_migrations (name, applied) VALUES ('9999_future', 0)")
    database.close()
    error = refusal(closed_database)
    assert type(error) is WrongDatabase
    assert "9999_future" in str(error)


def test_a_second_process_is_refused_by_the_name_of_the_first(path: Path) -> None:
    with held_by_another_process(path) as holder:
        with pytest.raises(DatabaseInUse, match=rf"\b{holder.pid}\b"):
            open_and_close(path)
        holder.kill()
        holder.wait()
        open_and_close(path)


def test_a_second_connection_of_the_same_process_is_refused_too(
    database: DatabaseConnection, config: Config
) -> None:
    with pytest.raises(DatabaseInUse, match=rf"\b{os.getpid()}\b"):
        ServiceFactory(config).get_database_connection()


def test_a_lock_that_a_dead_process_left_is_no_obstacle(path: Path) -> None:
    path.with_name("pack.db.lock").write_text("1\n")
    open_and_close(path)


def test_a_refused_file_leaves_the_lock_free(path: Path) -> None:
    path.touch()
    with pytest.raises(WrongDatabase):
        open_and_close(path)
    path.unlink()
    open_and_close(path)


def test_the_status_tells_what_is_open(database: DatabaseConnection, config: Config) -> None:
    status = database.status()
    assert status.engine == f"SQLite {apsw.sqlite_lib_version()}"
    assert status.path == str(config.database_path)
    assert status.size_bytes >= config.database_path.stat().st_size
    assert status.schema_version.startswith("0")
    assert "power failure" in status.durability


def test_a_database_that_was_killed_in_a_checkpoint_is_opened(path: Path) -> None:
    with held_by_another_process(path):
        pass  # killed: all but the first page is in the write-ahead log only
    with path.open("r+b") as file:
        # A checkpoint has written the first page back, with the size of the whole in it
        # (sqlite.org/fileformat2.html, 1.3.7), and was killed before it wrote the others.
        file.seek(28)
        file.write((100).to_bytes(4))

    open_and_close(path)


def test_row_83_a_link_to_the_database_is_followed_and_all_is_beside_the_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "current.db").symlink_to("releases/pack.db")
    real = tmp_path / "releases" / "pack.db"
    open_and_close(real)
    config = Config({"DB_PATH": str(tmp_path / "current.db")})
    database = ServiceFactory(config).get_database_connection()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["current.db", "releases"]
    assert sorted(p.name for p in real.parent.iterdir()) == [
        *("pack.db", "pack.db-shm", "pack.db-wal", "pack.db.lock")
    ]
    assert database.status().path == str(tmp_path / "current.db")
    with pytest.raises(DatabaseInUse, match=rf"\b{os.getpid()}\b"):
        open_and_close(real)
    database.close()


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_row_83_two_names_of_one_database_exclude_each_other(
    closed_database: Path, link: Callable[[Path, Path], None]
) -> None:
    second = closed_database.with_name("second.db")
    link(second, closed_database)
    with held_by_another_process(closed_database):
        assert type(refusal(second)) is DatabaseInUse
    open_and_close(closed_database)
    with held_by_another_process(second):
        assert type(refusal(closed_database)) is DatabaseInUse


def test_row_82_a_removed_lock_file_lets_nobody_in(path: Path) -> None:
    with held_by_another_process(path):
        path.with_name("pack.db.lock").unlink()
        for _ in range(2):
            with pytest.raises(DatabaseInUse, match="lock file is gone"):
                open_and_close(path)
    open_and_close(path)


def test_row_82_a_lock_file_that_is_gone_before_it_is_locked_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = FileLock(tmp_path / "lock")
    flock, locked = fcntl.flock, [False]

    def removing(fd: int, operation: int) -> None:
        if not locked[0]:
            locked[0] = True
            (tmp_path / "lock").unlink()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", removing)
    assert lock.acquire()
    assert not FileLock(tmp_path / "lock").acquire()
    lock.release()


def test_row_82_looking_for_the_lock_leaves_sqlite_its_own(path: Path) -> None:
    """Closing a descriptor of a file drops the locks that the process has on it (fcntl(2))."""
    database = ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
    database.run_migrations()
    path.with_name("pack.db.lock").unlink()
    with pytest.raises(DatabaseInUse):
        ServiceFactory(Config({"DB_PATH": str(path)})).get_database_connection()
    outsider = "import apsw, sys; apsw.Connection(sys.argv[1]).execute('SELECT * FROM accounts')"
    subprocess.run([sys.executable, "-c", outsider, str(path)], check=True)
    assert path.with_name("pack.db-wal").exists()  # whoever closes it last removes it
    database.close()
