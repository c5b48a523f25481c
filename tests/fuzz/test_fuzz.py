import importlib.util
from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris has no wheel for this Python or machine",
)
def test_some_seconds_of_fuzzing_find_nothing(tmp_path: Path) -> None:
    assert fuzz(tmp_path, seconds=5) == 0
