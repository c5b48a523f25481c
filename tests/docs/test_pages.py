import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.docs import command_line_page, json_page
from tests.docs.page import Block, blocks, do
from tests.own_services.installation import ROOT, install

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
README = (ROOT / "README.md").read_text()
PAGES_BY_NAME = {str(page.relative_to(DOCS)): page for page in PAGES}
NAVIGATION = (ROOT / "zensical.toml").read_text()
# Their commands install on the machine, or show a person around on one that is in use.
TESTED_ELSEWHERE = {
    "systemd.md": "tests/systemd",
    "operations.md": "tests/operations",
    "postgresql.md": "tests/postgres/test_move.py",
    "notebook.md": "tests/docs/test_frameworks.py",
    "command-line.md": "tests/docs/command_line_page.py",
    "json.md": "tests/docs/json_page.py",
}
TO_DO = [
    page
    for page in PAGES
    if page.name not in TESTED_ELSEWHERE
    and any(b.language != "text" and not b.is_included for b in blocks(page.read_text()))
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with what a reader has installed."""
    names = ("notes", "jobs", "limits", "settings_store")
    packages = (ROOT / "examples" / name for name in names)
    return install(tmp_path_factory.mktemp("reader"), *packages)


@pytest.fixture(scope="module")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests' own environment has, but for pack-db."""
    directory = tmp_path_factory.mktemp("dependencies")
    for path in Path(msgspec.__file__).parents[1].iterdir():
        if not path.name.startswith(("pack_db", "__editable__")):
            (directory / path.name).symlink_to(path)
    return directory


@pytest.fixture
def environment(python: Path, dependencies: Path, short_path: Path) -> dict[str, str]:
    """A reader's terminal, in which nothing is configured."""
    return {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "HOME": str(short_path),
        "XDG_RUNTIME_DIR": str(short_path),
        # `pip install pack-db` installs the one that is tested, and its dependencies are there.
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_FIND_LINKS": str(python.parents[2] / "wheels"),
        "PYTHONPATH": str(dependencies),
    }


@pytest.mark.parametrize("page", TO_DO, ids=lambda page: page.stem)
def test_a_page_works_as_it_is_written(
    page: Path, environment: dict[str, str], short_path: Path
) -> None:
    do(blocks(page.read_text()), short_path, environment)


def test_the_pages_work_one_after_the_other(environment: dict[str, str], short_path: Path) -> None:
    *with_daemon, in_process = (b for b in blocks(README) if b.language == "python")
    do([Block("sh", None, "pack-db serve\n"), *with_daemon], short_path, environment)
    do([in_process], short_path, environment)
    read = [PAGES_BY_NAME[name] for name in re.findall(r'"([\w/-]+\.md)"', NAVIGATION)]
    assert len(read) == len(PAGES)
    for page in (page for page in read if page in TO_DO):
        do(blocks(page.read_text()), short_path, environment)


def test_the_tutorial_and_every_how_to_page_are_among_them() -> None:
    assert {page.stem for page in TO_DO} >= {"tutorial", "asyncio", "own-services", "upgrading"}


@pytest.mark.parametrize("page", TO_DO, ids=lambda page: page.stem)
def test_every_block_says_its_language_or_is_no_code(page: Path) -> None:
    languages = {"", "text", "sh", "python", "ini", "json", "yaml", "dockerfile"}
    fences = [line.strip() for line in page.read_text().splitlines() if "```" in line]
    for opening in fences[::2]:
        words = opening.removeprefix("```").split(" ", 1)
        assert words[0] in languages, opening


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    written = command_line_page.PAGE.read_text()
    made = command_line_page.page()
    assert written.split() == made.split(), "python -m tests.docs.command_line_page"
    assert "pack-db tokens consume" in made


def test_the_page_of_json_is_what_the_commands_print() -> None:
    written = json_page.examples(json_page.PAGE.read_text())
    made = json_page.examples(json_page.page())
    assert shape(written) == shape(made), "python -m tests.docs.json_page"
    described = command_line_page.PAGE.read_text()
    usages = re.findall(r"Usage: pack-db ([a-z -]+) \[OPTIONS\](.*?)```", described, re.DOTALL)
    with_json = {command for command, usage in usages if " --json  " in usage}
    assert len(with_json) > 20
    # These print the same as `status`, or what the page says of them.
    for command in with_json - {"top", "call", "metrics", "export accounts", "export ledger"}:
        assert [words for words in written if words.startswith(command)], command


def shape(value: Any) -> Any:
    """Keys and kinds of values."""
    match value:
        case dict():
            return {key: shape(inner) for key, inner in value.items()}
        case list():
            return [shape(inner) for inner in value[:1]]
        case int() | float() if not isinstance(value, bool):
            return "number"
    return type(value).__name__
