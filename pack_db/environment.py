"""Where settings come from: the environment of the process, over a `.env` file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    values: Mapping[str, str]
    file_keys: frozenset[str] = frozenset()
    file_problem: str = ""
    """Why the `.env` file that is there could not be read, in words."""


def read_environment() -> Environment:
    """The environment, over the `.env` file in the working directory; neither is changed.

    The file is often an application's own. So bytes of it that are no UTF-8 spoil no more than
    the value that they are in, and what cannot be read at all is for the caller to judge.
    """
    path = Path(".env")
    if not os.path.isfile(path):  # as a working directory that may not be searched has none
        return Environment(values=dict(os.environ))
    problem, from_file = "", {}
    try:
        # Windows' editors begin a file with a byte order mark.
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            from_file = dotenv_values(stream=file)
        if any("\0" in key for key in from_file):
            problem, from_file = f"{path.absolute()} is not in UTF-8, but perhaps in UTF-16", {}
    except OSError as exc:
        problem = f"cannot read {path.absolute()}: {exc.strerror}"
    given = {key: value for key, value in from_file.items() if value is not None}
    return Environment(
        values=given | dict(os.environ), file_keys=frozenset(from_file), file_problem=problem
    )
