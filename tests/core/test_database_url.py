import subprocess
import sys
from pathlib import Path

import pytest

from pack_db.config import Config
from pack_db.errors import ConfigurationError, StorageUnavailable
from pack_db.impls.service_factory import ServiceFactory


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:%secret@server/mine",
        "postgresql://me:secret%00@server/mine",
        "postgresql://me:secret@[::1/mine",
        "postgresql://me:secret@[::1]x/mine",
        "postgresql://me:secret@server/mine?no_parameter=1",
        "postgresql://server/mine?password=%secret",
        "postgresql://server/mine?password=secret=",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DB_URL: libpq cannot read it") as caught:
        ServiceFactory(Config({"DB_URL": url})).get_database_connection()
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_without_the_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(StorageUnavailable, match=r"postgresql://127.0.0.1:1/mine:") as caught:
        ServiceFactory(
            Config({"DB_URL": "postgresql://me:secret@127.0.0.1:1/mine"})
        ).get_database_connection()
    assert "secret" not in str(caught.value) + caplog.text


def test_without_psycopg_it_is_said_what_to_install(tmp_path: Path) -> None:
    program = """
import runpy, sys

sys.modules["psycopg"] = None  # as if it were not there
sys.argv = ["pack-db", "serve"]
runpy.run_module("pack_db_daemon")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "DB_URL": "postgresql://me:secret@server/mine"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 5
    [line] = done.stderr.splitlines()
    assert line.startswith("pack-db: DB_URL needs psycopg, which is not there")
    assert "pip install 'pack-db[postgres]'" in line
    assert "secret" not in line
