import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["pack_db", "pack_db_client", "pack_db_daemon"])
def test_a_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert files(package).joinpath("py.typed").is_file()


def test_a_client_process_never_loads_the_implementation(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pack_db_client import AsyncPackDb, NoDaemon, PackDb

with PackDb("/nonexistent/s", timeout_s=0.05) as db:
    try:
        db.accounts.list_accounts()
    except NoDaemon:
        print("called")

async def call():
    async with AsyncPackDb("/nonexistent/s", timeout_s=0.05) as db:
        try:
            await db.accounts.list_accounts()
        except NoDaemon:
            print("called")

asyncio.run(call())
unwanted = ("peewee", "playhouse", "apsw", "sqlite3", "cryptography", "pack_db.impls",
            "pack_db_daemon")
print([name for name in sys.modules if name.startswith(unwanted)])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["called", "called", "[]"]
