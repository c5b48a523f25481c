import re
from pathlib import Path

import pytest

from pack_db.config import Config, ConfigKeys

EXAMPLE = (Path(__file__).parents[2] / ".env.example").read_text()
SETTING = re.compile(r"^#([A-Z_]+)=(.*)$", re.MULTILINE)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a user's session in which nothing is configured."""
    monkeypatch.chdir(tmp_path)
    for key in (*ConfigKeys, "STATE_DIRECTORY", "XDG_STATE_HOME", "INVOCATION_ID"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    return tmp_path


def settings(config: Config) -> dict[str, object]:
    read = vars(config.check())
    return {name: value for name, value in read.items() if name in vars(Config)}


def test_every_setting_is_in_the_example_once() -> None:
    assert sorted(key for key, _ in SETTING.findall(EXAMPLE)) == sorted(ConfigKeys)


def test_the_example_changes_nothing_as_it_is(directory: Path) -> None:
    without = settings(Config())
    (directory / ".env").write_text(EXAMPLE)
    assert settings(Config()) == without


def test_the_example_shows_the_defaults(directory: Path) -> None:
    without = settings(Config())
    (directory / ".env").write_text(SETTING.sub(r"\1=\2", EXAMPLE))
    assert settings(Config()) == without


def test_every_setting_is_explained(directory: Path) -> None:
    for block in EXAMPLE.strip().split("\n\n"):
        *explanation, last = block.splitlines()
        assert explanation
        assert all(line.startswith("# ") for line in explanation)
        assert last.startswith("#")
