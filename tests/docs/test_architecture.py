"""The architecture page and its picture name files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pack_db", "client", "daemon")


@pytest.mark.parametrize("page", ["architecture.md", "flow-of-a-call.svg"])
def test_every_module_that_is_named_is_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    named = set(re.findall(r"(?:\w+/)*\w+\.py\b", text))
    files = [str(path) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(named) > 10
    assert [name for name in named if not any(file.endswith("/" + name) for file in files)] == []
