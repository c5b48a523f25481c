"""`python -m tests.fuzz --seconds 600`: coverage-guided fuzzing of decoder and dispatcher.

It needs atheris (`pip install atheris`). An input that breaks a promise ends it with a traceback
and exit code 77, and is left as `crash-...` in the working directory.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgpack

_NOBODY = "01932c07-9d3e-7c55-8a2f-3f5d0c9b1e42"
_NOW_NS = 10**12  # as in target.py, which only a process that fuzzes may import
_SEEDS: list[list[Any]] = [
    [["accounts.create_account", [{"email": "a@example.com", "plan_name": "Pro"}]]],
    [["accounts.get_account_by_email", {"email": "a@example.com"}]],
    [["accounts.list_accounts", [None, 500]], ["accounts.rotate_api_key", [_NOBODY]]],
    [["accounts.update_account", [_NOBODY, {"status": 0}]], ["accounts.delete_account", [_NOBODY]]],
    [["tokens.consume_tokens", {"account_id": _NOBODY, "amount": 1, "allow_overdraft": True}]],
    [["tokens.list_entries", [_NOBODY, 0, 1]], ["tokens.renew_plan", [_NOBODY, None]]],
    [["accounts.authenticate", ["rs_" + "0" * 32]], ["tokens.top_up", [_NOBODY, 2**53 - 1]]],
]


def fuzz(directory: Path, seconds: int) -> int:
    """Fuzz that long; returns the exit status, 0 if nothing was found.

    Args:
        directory: for the database and the corpus.
    """
    corpus = directory / "corpus"
    corpus.mkdir()
    for number, calls in enumerate(_SEEDS):
        message = [1, bytes(16), number + 1, _NOW_NS + 10**9, calls]
        (corpus / f"seed-{number}").write_bytes(msgpack.packb(message))
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz.target",
            str(directory),
            f"-max_total_time={seconds}",
            "-max_len=4096",
            "-rss_limit_mb=512",
            "-timeout=10",
        ]
    ).returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="default: 600")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pack-db-") as directory:
        return fuzz(Path(directory), arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
