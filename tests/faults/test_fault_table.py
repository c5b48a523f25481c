import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "faults.md").read_text()
ROW = re.compile(r"^\| (\d+) \|.*\| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_row_of_the_table_names_tests_that_are_there() -> None:
    rows = ROW.findall(TABLE)
    numbers = [int(number) for number, _ in rows]
    assert len(set(numbers)) == len(numbers)
    assert set(range(1, 54)) <= set(numbers)
    for number, cell in rows:
        named = TEST.findall(cell)
        assert named, f"row {number} has no test"
        for path, name in named:
            assert f"def {name}" in (ROOT / path).read_text(), f"row {number}: {path}::{name}"


def test_every_test_of_a_row_is_in_the_table() -> None:
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        for name in re.findall(r"^def (test_row_\w+)", path.read_text(), re.MULTILINE):
            assert f"`tests/faults/{path.name}::{name}`" in TABLE
